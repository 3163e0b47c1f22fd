#include "tasks/top.h"

#include "base/json.h"

namespace rivulet {
namespace {

constexpr std::uint64_t kMaxValues = 10'000;

}  // namespace

TopTask::TopTask(TaskArgs& args)
    : field_(args.RequiredText("field")),
      k_(static_cast<std::size_t>(args.Uint("k", 10, 1, kMaxValues))),
      values_(k_) {}

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
