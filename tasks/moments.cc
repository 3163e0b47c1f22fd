#include "tasks/moments.h"

#include <algorithm>
#include <cmath>

#include "tasks/saved_state.h"

namespace rivulet {

namespace {

constexpr std::string_view kFormat = "moments 1";

}  // namespace

MomentsTask::MomentsTask(TaskArgs& args)
    : field_(args.RequiredText("field")), minus_(args.Text("minus")) {}

Outcome MomentsTask::Run(const Message& message, Context&) {
  std::optional<double> value = message.Number(field_);
  if (value && !minus_.empty()) {
    std::optional<double> minus = message.Number(minus_);
    value = minus ? std::optional<double>(*value - *minus) : std::nullopt;
  }
  if (value && std::isfinite(*value)) {
    moments_.Update(*value);
  } else {
    ++skipped_;
  }
  return Outcome::Done();
}

std::string MomentsTask::Arguments() const {
  return "field=" + field_ + (minus_.empty() ? "" : ",minus=" + minus_);
}

std::string MomentsTask::Save() const {
  std::string bytes = BeginState(kFormat, Arguments());
  PutUint64(&bytes, skipped_);
  return bytes + moments_.Save();
}

Status MomentsTask::Load(std::string_view saved) {
  const auto state = OpenState(saved, kFormat, Arguments());
  if (!state.ok()) return state.status();
  ByteReader bytes(*state);
  skipped_ = bytes.Uint64();
  const auto moments = Moments::Load(state->substr(std::min<std::size_t>(8, state->size())));
  if (!moments) return DamagedState(kFormat);
  moments_ = *moments;
  return {};
}

void MomentsTask::Summarize(Summary& summary) const {
  summary.Count("count", moments_.count());
  summary.Count("skipped", skipped_);
  summary.Number("mean", moments_.mean());
  summary.Number("stddev", moments_.stddev());
  summary.Number("skewness", moments_.skewness());
  summary.Number("kurtosis", moments_.excess_kurtosis());
  summary.Number("min", moments_.min());
  summary.Number("max", moments_.max());
}

}  // namespace rivulet
