#include "tasks/top.h"

#include <algorithm>
#include <random>

#include "base/json.h"

namespace rivulet {
namespace {

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
      values_(Capacity(k_), RandomSeed()) {}

Outcome TopTask::Run(const Message& message) {
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

void TopTask::Summarize(Summary& summary) const {
  summary.Count("count", counted_);
  summary.Count("skipped", skipped_);
  summary.Table("top", {"value", "count", "error"});
  for (const auto& item : values_.Top(k_)) summary.Row({item.value, item.count, item.error});
}

}  // namespace rivulet
