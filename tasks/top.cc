#include "tasks/top.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/json.h"
#include "tasks/bar_chart.h"
#include "tasks/saved_state.h"

namespace rivulet {
namespace {

constexpr std::string_view kFormat = "top 1";
constexpr std::uint64_t kMaxValues = 10'000;

/// Keys to remember, so that the k most frequent come out right: counts are too high by at most
/// one in so many messages.
std::size_t Capacity(std::size_t k) { return std::max<std::size_t>(1000, 20 * k); }

/// Whoever sends the values must not be able to choose such as collide.
std::uint64_t RandomSeed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

}  // namespace

TopTask::TopTask(TaskArgs& args)
    : field_(args.RequiredText("field")),
      k_(static_cast<std::size_t>(args.Uint("k", 10, 1, kMaxValues))),
      seed_(RandomSeed()),
      values_(Capacity(k_), seed_) {}

Outcome TopTask::Run(const Message& message, Context&) {
  if (auto text = message.Text(field_)) {
    values_.Update(*text);
  } else if (auto number = message.Number(field_)) {
    std::string written;
    AppendJsonNumber(&written, *number);
    values_.Update(written);
  } else {
    ++skipped_;
    return Outcome::Done();
  }
  ++counted_;
  return Outcome::Done();
}

std::string TopTask::Arguments() const { return "field=" + field_ + ",k=" + std::to_string(k_); }

std::string TopTask::Save() const {
  std::string bytes = BeginState(kFormat, Arguments());
  PutUint64(&bytes, counted_);
  PutUint64(&bytes, skipped_);
  return bytes + values_.Save();
}

Status TopTask::Load(std::string_view saved) {
  const auto state = OpenState(saved, kFormat, Arguments());
  if (!state.ok()) return state.status();
  ByteReader bytes(*state);
  counted_ = bytes.Uint64();
  skipped_ = bytes.Uint64();
  auto values = TopK::Load(state->substr(std::min<std::size_t>(16, state->size())), seed_);
  if (!values) return DamagedState(kFormat);
  values_ = std::move(*values);
  return {};
}

void TopTask::Summarize(Summary& summary) const {
  summary.Count("count", counted_);
  summary.Count("skipped", skipped_);
  summary.Table("top", {"value", "count", "error"});
  for (const auto& item : values_.Top(k_)) summary.Row({item.value, item.count, item.error});
}

std::optional<View> TopTask::Show(std::string_view view) const {
  if (view != "svg") return std::nullopt;
  std::vector<Bar> bars;
  for (auto& item : values_.Top(k_)) bars.push_back({std::move(item.value), item.count});
  return View{"image/svg+xml", BarChartSvg("the most frequent values of " + field_, bars)};
}

}  // namespace rivulet
