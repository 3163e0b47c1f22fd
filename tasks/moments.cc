#include "tasks/moments.h"

#include <cmath>

namespace rivulet {

MomentsTask::MomentsTask(TaskArgs& args)
    : field_(args.RequiredText("field")), minus_(args.Text("minus")) {}

Outcome MomentsTask::Run(const Message& message) {
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
