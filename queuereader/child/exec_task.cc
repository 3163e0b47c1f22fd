#include "queuereader/child/exec_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "queuereader/child/child_pool.h"
#include "queuereader/child/exec_protocol.h"
#include "queuereader/child/shell_command.h"
#include "queuereader/task_unusable.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxBatch = 512;
constexpr std::size_t kAllMessages = std::numeric_limits<std::size_t>::max();
/// What a batch shall take: long enough that starting it costs little, short enough for a stop.
constexpr Duration kBatchTime = std::chrono::milliseconds(50);
/// For the programs to end by themselves, at the end.
constexpr Duration kEndPatience = std::chrono::seconds(1);
// As long as a message may be.
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxStateBytes = std::size_t{256} << 20;
constexpr std::array<std::string_view, 5> kKeys = {"name", "workers", "timeout", "memory", "state"};

struct ExecSpec {
  std::string name;
  std::size_t workers = 1;
  Duration timeout{};
  std::uint64_t memory_bytes = 0;
  bool has_state = false;
  std::string command;
};

class ExecTask final : public Task {
 public:
  ExecTask(const ExecSpec& spec, const TaskEnvironment& environment)
      : clock_(*environment.clock),
        name_(spec.name),
        command_(spec.command),
        workers_(spec.workers),
        log_(environment.loop ? std::make_unique<ChildLog>(*environment.loop, spec.name) : nullptr),
        state_(spec.has_state ? std::make_unique<ExecState>() : nullptr),
        dialect_(environment.outputs, state_.get()),
        pool_(*environment.clock, PoolConfig(spec, environment, log_.get()), dialect_),
        batch_(spec.workers) {
    if (state_) pool_.OnStart([this](std::size_t) { return BringBack(); });
  }
  ~ExecTask() override { pool_.End(kEndPatience); }

  Outcome Run(const Message& message, Context& context) override {
    const Message* messages[] = {&message};
    Outcome outcomes[] = {Outcome::Done()};
    RunBatch(messages, outcomes, context);
    return outcomes[0];
  }
  std::size_t batch_size() const override { return batch_; }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override;
  void Ahead(std::span<const Message* const> messages) override;

  std::string Save() const override;
  Status Load(std::string_view saved) override;
  void Summarize(Summary& summary) const override;

 private:
  static ChildPoolConfig PoolConfig(const ExecSpec& spec, const TaskEnvironment& environment,
                                    const ChildLog* log);
  void Adapt(std::size_t messages, Duration took, bool lost_a_child);
  Status BringBack() const;
  Status BringBackSome(std::size_t messages, bool loads) const;
  /// Of a program that has been given but the first `answered` messages since its last state.
  Status FetchState(std::size_t answered) const;
  Status FetchState() const { return FetchState(state_->messages()); }

  const Clock& clock_;
  std::string name_;
  std::string command_;
  std::size_t workers_;
  std::unique_ptr<ChildLog> log_;
  std::unique_ptr<ExecState> state_;  // nullptr: it has none
  ExecDialect dialect_;
  mutable ChildPool pool_;
  std::size_t batch_;
  std::size_t ahead_ = 0;   // messages that it was told of, and that were not run yet
  MonoTime ahead_since_{};  // when the first of them was the program's to work on
  mutable std::size_t most_brought_back_ = kAllMessages;
};

ChildPoolConfig ExecTask::PoolConfig(const ExecSpec& spec, const TaskEnvironment& environment,
                                     const ChildLog* log) {
  ChildPoolConfig config;
  config.child.argv = {"/bin/sh", "-c", ExecInPlaceOfShell(spec.command)};
  config.child.name = spec.name;
  config.child.error_fd = log != nullptr ? log->fd() : -1;
  config.child.memory_bytes = spec.memory_bytes;
  config.workers = spec.workers;
  config.timeout = spec.timeout;
  config.ahead_bytes = std::size_t{256} << 10;
  config.ahead_messages = 2 * kMaxBatch;
  config.restart.first = std::chrono::milliseconds(20);
  config.seed = std::random_device()();
  config.stop_requested = environment.stop_requested;
  config.max_answer_bytes = kMaxAnswerBytes;
  config.answers_each = false;
  config.timeout_hint = " (an answer must be flushed)";
  return config;
}

void ExecTask::RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                        Context& context) {
  // A log that only grows would be no bound: first the state that was not to be had before.
  if (state_ && state_->is_long()) {
    if (Status status = FetchState(); !status.ok()) throw std::runtime_error(status.message());
  }
  const ChildPoolStats before = pool_.stats();
  const MonoTime begin = ahead_ > 0 ? ahead_since_ : clock_.Now();
  const std::size_t behind = ahead_ - std::min(std::exchange(ahead_, 0), messages.size());
  try {
    pool_.Run(messages, outcomes, context, false);
  } catch (const TaskUnusable& why) {
    throw TaskUnusable(fmt::format("the command '{}' {}", command_, why.what()));
  }
  const ChildPoolStats after = pool_.stats();
  ahead_ = behind;
  ahead_since_ = clock_.Now();
  Adapt(messages.size(), ahead_since_ - begin,
        after.crashes != before.crashes || after.timeouts != before.timeouts);
  if (state_ && state_->is_long()) {
    if (Status status = FetchState(); !status.ok()) LogWarning("{}", status.message());
  }
}

void ExecTask::Ahead(std::span<const Message* const> messages) {
  // Then it is asked for its state first.
  if (state_ && state_->is_long()) return;
  if (ahead_ == 0) ahead_since_ = clock_.Now();
  ahead_ += messages.size();
  pool_.Ahead(messages);
}

/// Towards as many as take kBatchTime, never more than twice as many as were seen to go.
void ExecTask::Adapt(std::size_t messages, Duration took, bool lost_a_child) {
  if (lost_a_child) {
    batch_ = workers_;
    return;
  }
  const auto each = std::max(took / static_cast<Duration::rep>(messages), Duration(1));
  const auto wanted = static_cast<std::size_t>(kBatchTime / each);
  batch_ = std::clamp(std::min(wanted, 2 * messages), workers_, std::max(kMaxBatch, workers_));
}

/// Gives a program that was started the state that the one before had. Its state is saved as soon
/// as it has that again, so that the next one need not go the same way; where a program has ended
/// on the way, the next one saves its state after half as many messages.
Status ExecTask::BringBack() const {
  state_->Ended();
  bool loads = state_->has_state();
  while (loads || state_->messages() > 0) {
    const std::size_t some = std::min(state_->messages(), most_brought_back_);
    Status status = BringBackSome(some, loads);
    if (status.ok() && some > 0) status = FetchState(some);
    if (!status.ok()) {
      most_brought_back_ = std::max<std::size_t>(some / 2, 1);
      return status;
    }
    if (some > 0) pool_.Progressed();
    loads = false;
  }
  most_brought_back_ = kAllMessages;
  return {};
}

Status ExecTask::BringBackSome(std::size_t messages, bool loads) const {
  std::size_t answers = messages + (loads ? 1 : 0);
  bool first = loads;
  return pool_.Ask(0, state_->Replay(messages, loads),
                   [&](std::string_view* bytes) -> Result<bool> {
                     for (; answers > 0; --answers) {
                       const std::size_t end = bytes->find('\n');
                       if (end == std::string_view::npos) return false;
                       const std::string_view line = bytes->substr(0, end);
                       if (std::exchange(first, false)) {
                         if (Status status = ParseExecLoaded(line); !status.ok()) return status;
                       }
                       bytes->remove_prefix(end + 1);
                     }
                     return true;
                   });
}

Status ExecTask::FetchState(std::size_t answered) const {
  return pool_.Ask(
      0, "{\"_save_\":true}\n", [this, answered](std::string_view* bytes) -> Result<bool> {
        const std::size_t end = bytes->find('\n');
        if (std::min(end, bytes->size()) > kMaxStateBytes) {
          return InvalidArgument("has a state of more than " + FormatByteCount(kMaxStateBytes));
        }
        if (end == std::string_view::npos) return false;
        auto state = ParseExecState(bytes->substr(0, end));
        if (!state.ok()) return state.status();
        state_->Saved(std::move(*state), answered);
        bytes->remove_prefix(end + 1);
        return true;
      });
}

std::string ExecTask::Save() const {
  if (!state_) return {};
  if (state_->messages() > 0) {
    // Without an answer the last state and the messages since are as good.
    if (Status status = FetchState(); !status.ok()) LogWarning("{}", status.message());
  }
  return state_->Encode();
}

Status ExecTask::Load(std::string_view saved) {
  if (!state_) return Task::Load(saved);
  if (Status status = state_->Decode(saved); !status.ok()) return status;
  // Now, so that a program that cannot take it is told at the start. One that ends may have come
  // on, or do so the next time.
  for (int starts = 1;; ++starts) {
    const std::size_t messages = state_->messages();
    Status status = pool_.Ask(0, {}, [](std::string_view*) -> Result<bool> { return true; });
    if (state_->messages() < messages) starts = 0;
    if (status.code() != StatusCode::kUnavailable || starts >= kMaxDeadStarts) return status;
  }
}

void ExecTask::Summarize(Summary& summary) const {
  const ChildPoolStats stats = pool_.stats();
  const auto count = [&summary](std::string_view name, std::uint64_t value) {
    if (value > 0) summary.Count(name, value);
  };
  // One each is no news.
  if (stats.starts > workers_) count("starts", stats.starts);
  count("crashes", stats.crashes);
  count("timeouts", stats.timeouts);
}

/// A command may begin with a variable of the shell, but not with one that ends with a comma.
bool IsOption(std::string_view item) {
  const std::size_t equals = item.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  if (std::find(kKeys.begin(), kKeys.end(), item.substr(0, equals)) != kKeys.end()) return true;
  return item.find(' ') == std::string_view::npos && equals != std::string_view::npos &&
         equals > 0 &&
         std::all_of(item.begin(), item.begin() + static_cast<std::ptrdiff_t>(equals),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

Status ReadWorkers(std::string_view value, std::size_t* workers) {
  const auto number = ParseUint(value);
  if (!number.ok() || *number < 1 || *number > 64) {
    return InvalidArgument(fmt::format("workers={} must be a whole number from 1 to 64", value));
  }
  *workers = *number;
  return {};
}

Status ReadOption(std::string_view key, std::string_view value, ExecSpec* spec) {
  const auto wrong = [&](const Status& why) {
    return InvalidArgument(fmt::format("{}={}: {}", key, value, why.message()));
  };
  if (key == "name") {
    spec->name = value;
    if (value.empty()) return InvalidArgument("name= must not be empty");
  } else if (key == "workers") {
    return ReadWorkers(value, &spec->workers);
  } else if (key == "timeout") {
    const auto timeout = ParseDuration(value);
    if (!timeout.ok()) return wrong(timeout.status());
    spec->timeout = *timeout;
  } else if (key == "memory") {
    const auto bytes = ParseByteCount(value);
    if (!bytes.ok()) return wrong(bytes.status());
    spec->memory_bytes = *bytes;
  } else if (key == "state") {
    if (value != "yes" && value != "no") {
      return InvalidArgument(fmt::format("state={} must be yes or no", value));
    }
    spec->has_state = value == "yes";
  } else {
    return InvalidArgument(fmt::format("unknown option '{}' before the command; it takes {}", key,
                                       fmt::join(kKeys, ", ")));
  }
  return {};
}

/// KEY=VALUE, items as long as there are any; the rest is the command.
Status ReadSpec(std::string_view text, ExecSpec* spec) {
  std::vector<std::string_view> seen;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    if (comma == std::string_view::npos || !IsOption(item)) break;
    const std::string_view key = item.substr(0, item.find('='));
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
      return InvalidArgument(fmt::format("the option '{}' is given twice", key));
    }
    seen.push_back(key);
    if (Status status = ReadOption(key, item.substr(key.size() + 1), spec); !status.ok()) {
      return status;
    }
    text.remove_prefix(comma + 1);
  }
  spec->command = text;
  if (text.find_first_not_of(" \t\n") == std::string_view::npos) {
    return InvalidArgument("needs a command, as in exec:python3 my_task.py");
  }
  if (spec->has_state && spec->workers > 1) {
    return InvalidArgument("state=yes is for one worker: workers= must not be given, or 1");
  }
  return {};
}

}  // namespace

Result<NamedTask> MakeExecTask(std::string_view command, const TaskEnvironment& environment) {
  ExecSpec spec;
  spec.name = fmt::format("exec:{}", command);
  spec.timeout = environment.task_timeout;
  spec.memory_bytes = environment.task_memory_bytes;
  if (Status status = ReadSpec(command, &spec); !status.ok()) return status;
  auto task = std::make_unique<ExecTask>(spec, environment);
  NamedTask named{spec.name, std::move(task), true, false};
  // What a program with state has seen, and nobody has asked for, would be in its state.
  named.looks_beyond = !spec.has_state;
  return named;
}

}  // namespace rivulet
