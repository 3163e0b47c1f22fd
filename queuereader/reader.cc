#include "queuereader/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace rivulet {

/// The one implementation of Message: a view of the parsed document.
class Reader::JsonMessage final : public Message {
 public:
  void Bind(std::string_view bytes, const Envelope* envelope, int tries) {
    bytes_ = bytes;
    envelope_ = envelope;
    tries_ = tries;
    text_known_ = false;
  }

  std::string_view text() const override {
    if (!text_known_) {
      text_ = DataText(bytes_, *envelope_);
      if (text_.empty()) {
        written_.clear();
        AppendJson(&written_, *envelope_->data);
        text_ = written_;
      }
      text_known_ = true;
    }
    return text_;
  }
  std::optional<double> Number(std::string_view path) const override {
    return JsonNumber(FindPath(*envelope_->data, path));
  }
  std::optional<std::string_view> Text(std::string_view path) const override {
    const JsonValue* value = FindPath(*envelope_->data, path);
    if (!value || !value->IsString()) return std::nullopt;
    return JsonText(*value);
  }
  bool Has(std::string_view path) const override {
    return FindPath(*envelope_->data, path) != nullptr;
  }
  int tries() const override { return tries_; }

 private:
  std::string_view bytes_;
  const Envelope* envelope_ = nullptr;
  int tries_ = 0;
  mutable bool text_known_ = false;
  mutable std::string_view text_;
  mutable std::string written_;
};

namespace {

Outcome RunGuarded(Task& task, const Message& message) {
  try {
    return task.Run(message);
  } catch (const std::exception& error) {
    return Outcome::Failed(fmt::format("threw: {}", error.what()));
  } catch (...) {
    return Outcome::Failed("threw something that is no std::exception");
  }
}

void AppendWhy(std::string* all, std::string_view task, std::string_view why) {
  fmt::format_to(std::back_inserter(*all), "{}task {}: {}", all->empty() ? "" : "; ", task,
                 why.empty() ? "failed" : why);
}

}  // namespace

Reader::Reader(ReaderConfig config, std::vector<NamedTask> tasks, std::unique_ptr<Task> giveup)
    : config_(config), giveup_(std::move(giveup)), message_(std::make_unique<JsonMessage>()) {
  tasks_.reserve(tasks.size());
  for (NamedTask& task : tasks) {
    tasks_.push_back({std::move(task.name), std::move(task.task), Backoff(config.max_backoff), {}});
  }
}

Reader::~Reader() = default;

Verdict Reader::Handle(std::string_view message, WallTime now) {
  Verdict verdict;
  Status status = document_.Parse(message);
  if (status.ok()) status = ReadEnvelope(document_.root(), &envelope_);
  if (!status.ok()) {
    ++counts_.messages;
    ++counts_.malformed;
    verdict.next = Verdict::Next::kMalformed;
    verdict.why = status.message();
    return verdict;
  }
  if (envelope_.retry_on && *envelope_.retry_on > now) {
    verdict.next = Verdict::Next::kHold;
    verdict.due = *envelope_.retry_on;
    return verdict;
  }

  ++counts_.messages;
  int tries = envelope_.tries + 1;
  message_->Bind(message, &envelope_, tries);
  failed_.clear();
  bool dropped = false;
  for (Slot& slot : tasks_) {
    if (!IsLeft(slot)) continue;
    dropped = RunTask(slot, *message_, &verdict);
    if (dropped) break;
  }
  if (dropped) {
    ++counts_.dropped;
    verdict.next = Verdict::Next::kDropped;
    return verdict;
  }
  if (envelope_.names_tasks) FailUnknownTasks(&verdict);
  if (failed_.empty()) {
    ++counts_.finished;
    return verdict;
  }
  Retry(message, tries, now, &verdict);
  return verdict;
}

bool Reader::IsLeft(const Slot& slot) const {
  if (!envelope_.names_tasks) return true;
  const auto& left = envelope_.tasks_left;
  return std::find(left.begin(), left.end(), slot.name) != left.end();
}

bool Reader::RunTask(Slot& slot, const Message& message, Verdict* verdict) {
  Outcome outcome = RunGuarded(*slot.task, message);
  switch (outcome.kind()) {
    case Outcome::Kind::kDone:
    case Outcome::Kind::kDrop:
      ++slot.counts.done;
      slot.backoff.Success();
      return outcome.kind() == Outcome::Kind::kDrop;
    case Outcome::Kind::kFailed:
      slot.backoff.Failure();
      verdict->pause = std::max(verdict->pause, slot.backoff.interval());
      break;
    case Outcome::Kind::kFailedWithoutBackoff:
      break;
  }
  ++slot.counts.failed;
  failed_.push_back(slot.name);
  AppendWhy(&verdict->why, slot.name, outcome.why());
  return false;
}

void Reader::FailUnknownTasks(Verdict* verdict) {
  for (std::string_view name : envelope_.tasks_left) {
    bool known = std::any_of(tasks_.begin(), tasks_.end(),
                             [name](const Slot& slot) { return slot.name == name; });
    if (known) continue;
    // Another reader's task, or one from before a change of --task: only a person can say.
    failed_.push_back(name);
    AppendWhy(&verdict->why, name, "this reader has no such task");
  }
}

void Reader::Retry(std::string_view message, int tries, WallTime now, Verdict* verdict) {
  struct Retry retry;
  retry.tries = tries;
  retry.started = envelope_.started.value_or(now);
  retry.tasks_left = failed_;
  if (tries >= config_.max_tries) {
    verdict->next = Verdict::Next::kGiveUp;
    verdict->body = WriteEnvelope(message, envelope_, retry);
    ++counts_.given_up;
    if (giveup_) GiveUp(*message_, verdict);
    return;
  }
  retry.retry_on = now + config_.requeue_delay * tries;
  verdict->next = Verdict::Next::kRequeue;
  verdict->body = WriteEnvelope(message, envelope_, retry);
  ++counts_.requeued;
}

void Reader::GiveUp(const Message& message, Verdict* verdict) {
  Outcome outcome = RunGuarded(*giveup_, message);
  bool failed = outcome.kind() == Outcome::Kind::kFailed ||
                outcome.kind() == Outcome::Kind::kFailedWithoutBackoff;
  if (failed) AppendWhy(&verdict->why, "of --requeue-giveup", outcome.why());
}

void Reader::SummarizeTask(std::size_t i, Summary& summary) const {
  try {
    tasks_[i].task->Summarize(summary);
  } catch (const std::exception& error) {
    summary.Text("error", error.what());
  } catch (...) {
    summary.Text("error", "the task's summary threw");
  }
}

}  // namespace rivulet
