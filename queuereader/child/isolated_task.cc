// Our side of a task in a child: what it is asked, and what a new child is told after a crash.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <utility>

#include "base/frames.h"
#include "base/units.h"
#include "queuereader/child/store_frames.h"
#include "queuereader/child/task_host.h"
#include "queuereader/child/task_host_frames.h"
#include "queuereader/child/task_host_summary.h"

namespace rivulet {
namespace {

// After so much the child's state is saved, and the messages until then need not be run again.
constexpr std::size_t kSnapshotMessages = 1000;
constexpr std::size_t kSnapshotBytes = std::size_t{1} << 20;

// Messages sent ahead save waiting for the child; with so many it does not wait for us either. They
// take about so long, that whoever waits for the task to stop does not wait long.
constexpr std::size_t kMaxBatch = 256;
constexpr Duration kBatchTime = std::chrono::milliseconds(5);

class IsolatedTask final : public Task {
 public:
  IsolatedTask(std::string_view spec, const std::string& name, const TaskEnvironment& environment)
      : environment_(environment),
        clock_(*environment.clock),
        name_("process of " + name),
        dialect_(environment.outputs) {
    std::string words;
    AppendFrame(&words, spec);
    AppendFrame(&words, name);
    for (const std::string& output : environment.outputs) AppendFrame(&words, output);
    AppendHostFrame(&init_, 'I', {words});

    if (environment.loop) log_ = std::make_unique<ChildLog>(*environment.loop, name);
    MakePool();
  }

  /// Starts the child; the error is the child's own where there is one.
  Status Start() {
    Status status = Ask("", [](std::string_view*) { return true; });
    if (!status.ok() || answers_each_ == (ready_.batch == 1)) return status;
    // Whether it answers each message before the next is known only now.
    answers_each_ = ready_.batch == 1;
    MakePool();
    return Ask("", [](std::string_view*) { return true; });
  }

  Outcome Run(const Message& message, Context& context) override {
    const Message* one = &message;
    Outcome outcome = Outcome::Done();
    RunAll({&one, 1}, {&outcome, 1}, context);
    return outcome;
  }
  std::size_t batch_size() const override { return batch_; }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override {
    RunAll(messages, outcomes, context);
  }

  std::string Save() const override {
    if (!dialect_.has_state()) return {};
    if (Status status = Snapshot(); !status.ok()) throw std::runtime_error(status.message());
    return snapshot_;
  }
  Status Load(std::string_view saved) override {
    if (Status status = Start(); !status.ok()) return status;
    if (Status status = SendState(saved); !status.ok()) return status;
    snapshot_ = saved;
    dialect_.set_has_state();
    return {};
  }

  void Summarize(Summary& summary) const override {
    std::string bytes;
    Status status = AskFor("U", 'U', &bytes);
    if (status.ok()) status = ReadHostSummary(bytes, summary);
    if (!status.ok()) summary.Text("error", status.message());
  }
  std::vector<std::string> views() const override { return ready_.views; }
  std::optional<View> Show(std::string_view view) const override {
    std::string bytes;
    std::string request("V");
    request += view;
    if (!AskFor(request, 'V', &bytes).ok()) return std::nullopt;
    std::string_view body = bytes;
    const std::string type(TakeHostWord(&body, '\n'));
    return View{type, std::string(body)};
  }

 private:
  void MakePool() {
    ChildPoolConfig config;
    config.child.argv = {environment_.host_program, kTaskHostArgument};
    config.child.name = name_;
    config.child.own_descriptors = true;
    config.child.memory_bytes = environment_.task_memory_bytes;
    if (log_) config.child.error_fd = log_->fd();
    config.timeout = environment_.task_timeout;
    config.max_answer_bytes = kMaxHostFrameBytes;
    config.answers_each = answers_each_;
    config.seed = std::hash<std::string>()(init_);
    config.stop_requested = environment_.stop_requested;
    pool_ = std::make_unique<ChildPool>(clock_, std::move(config), dialect_);
    pool_->OnStart([this](std::size_t) { return start_status_ = Init(); });
  }

  using Taker = std::function<Result<bool>(std::string_view* bytes)>;
  /// The error of a child that did not begin is its own where there is one.
  Status Ask(std::string_view request, const Taker& take) const {
    start_status_ = {};
    const Status status = pool_->Ask(0, request, take);
    return start_status_.ok() ? status : start_status_;
  }

  void RunAll(std::span<const Message* const> messages, std::span<Outcome> outcomes,
              Context& context) {
    const bool long_log =
        dialect_.log().size() >= kSnapshotMessages || dialect_.log_bytes() >= kSnapshotBytes;
    if (long_log) {
      if (Status status = Snapshot(); !status.ok()) {
        std::fill(outcomes.begin(), outcomes.end(), Outcome::Failed(status.message()));
        return;
      }
    }
    const MonoTime begun = clock_.Now();
    const ChildPoolStats before = pool_->stats();
    dialect_.Begin();
    pool_->Run(messages, outcomes, context, careful_);
    const ChildPoolStats after = pool_->stats();
    careful_ = after.crashes != before.crashes || after.timeouts != before.timeouts;
    // Towards as many as fit, never more than twice as many as were seen to go.
    const Duration each = (clock_.Now() - begun) / static_cast<Duration::rep>(messages.size());
    const auto fitting = static_cast<std::size_t>(kBatchTime / std::max(each, Duration(1)));
    batch_ = std::clamp<std::size_t>(std::min(fitting, 2 * messages.size()), 1, kMaxBatch);
  }

  /// Of a child that was just started: told its task, and brought to where the last one was.
  Status Init() const {
    dialect_.Restarted();
    std::string ready;
    if (Status status = Exchange(init_, 'K', &ready); !status.ok()) return status;
    auto read = ReadHostReady(ready);
    if (!read.ok()) return read.status();
    ready_ = *std::move(read);
    if (ready_.has_state) dialect_.set_has_state();
    if (!snapshot_.empty()) {
      if (Status status = SendState(snapshot_); !status.ok()) return status;
    }
    for (const ReplayEntry& entry : dialect_.log()) {
      if (Status status = Replay(entry); !status.ok()) return status;
    }
    return {};
  }

  Status SendState(std::string_view state) const {
    std::string request;
    AppendHostFrame(&request, 'L', {state});
    std::string unused;
    return Exchange(request, 'K', &unused);
  }

  /// Runs a message again that was answered. What it emits, counts and logs was taken then; what
  /// the store answers is what it answered then, for what was written there stays written.
  Status Replay(const ReplayEntry& entry) const {
    std::string_view replies = entry.replies;
    std::string request = entry.message;
    for (bool done = false; !done;) {
      Status status = Ask(request, [&](std::string_view* bytes) -> Result<bool> {
        for (HostFrame frame;;) {
          std::string why;
          const HostTook took = TakeHostFrame(bytes, &frame, &why);
          if (took == HostTook::kBroken) return Broken(why);
          if (took == HostTook::kNothing) return false;
          done = frame.letter == 'O';
          if (done || IsStoreRequest(frame.letter)) return true;
        }
      });
      if (!status.ok()) return status;
      request = done ? "" : NextReply(&replies);
    }
    return {};
  }

  static std::string NextReply(std::string_view* replies) {
    HostFrame frame;
    std::string why;
    if (TakeHostFrame(replies, &frame, &why) != HostTook::kFrame) {
      return RefuseStoreRequest(
          {StatusCode::kUnavailable, "a message that is run again asks for more than before"});
    }
    std::string reply;
    AppendHostFrame(&reply, 'R', {frame.body});
    return reply;
  }

  static Status Broken(const std::string& why) {
    return {StatusCode::kUnavailable, "its child " + why};
  }

  /// Sends `request` (frames), and waits for the frame of that letter, or X; meanwhile the child
  /// may ask for the store.
  Status Exchange(std::string_view request, char letter, std::string* body) const {
    Status refused;
    std::string next(request);
    const MonoTime begun = clock_.Now();
    Duration answering{};  // that the store took
    for (bool done = false; !done;) {
      if (environment_.task_timeout > Duration::zero() &&
          clock_.Now() - begun - answering > environment_.task_timeout) {
        return Broken("asked the store for longer than " +
                      FormatDuration(environment_.task_timeout) + " (--task-timeout)");
      }
      std::string reply;
      Status status = Ask(next, [&](std::string_view* bytes) -> Result<bool> {
        for (HostFrame frame;;) {
          std::string why;
          const HostTook took = TakeHostFrame(bytes, &frame, &why);
          if (took == HostTook::kBroken) return Broken(why);
          if (took == HostTook::kNothing) return false;
          if (IsStoreRequest(frame.letter)) {
            const MonoTime asked = clock_.Now();
            auto answered = AnswerAsked(frame, &reply);
            answering += clock_.Now() - asked;
            return answered;
          }
          if (frame.letter == 'X') refused = InvalidArgument(std::string(frame.body));
          if (frame.letter == letter) body->assign(frame.body);
          done = frame.letter == 'X' || frame.letter == letter;
          if (done) return true;
        }
      });
      if (!status.ok()) return status;
      next = std::move(reply);
    }
    return refused;
  }
  /// What the store says to a child that was asked for something else than to run.
  Result<bool> AnswerAsked(const HostFrame& frame, std::string* reply) const {
    const auto answer =
        environment_.store
            ? AnswerStoreRequest(frame, *environment_.store)
            : RefuseStoreRequest({StatusCode::kUnavailable, "this reader has no store"});
    if (!answer) return Broken("asked the store for what it cannot do");
    *reply = *answer;
    return true;
  }
  /// The same, of a frame with that body.
  Status AskFor(std::string_view frame, char letter, std::string* body) const {
    std::string request;
    AppendHostFrame(&request, frame.front(), {frame.substr(1)});
    return Exchange(request, letter, body);
  }

  Status Snapshot() const {
    if (dialect_.log().empty() && !snapshot_.empty()) return {};
    std::string saved;
    // A child that is gone is started again by the first question; that one may fail with it.
    Status status = AskFor("S", 'S', &saved);
    if (status.code() == StatusCode::kUnavailable) status = AskFor("S", 'S', &saved);
    if (!status.ok()) {
      return {status.code(), "the state of its child cannot be saved: " + status.message()};
    }
    snapshot_ = std::move(saved);
    dialect_.ForgetLog();
    return {};
  }

  TaskEnvironment environment_;
  const Clock& clock_;
  const std::string name_;
  std::string init_;  // the frame
  // A question may start a new child: what const functions ask is const all the same.
  mutable HostDialect dialect_;
  mutable HostReady ready_;
  mutable std::string snapshot_;
  mutable Status start_status_;  // how the last child began
  bool answers_each_ = true;
  std::size_t batch_ = 1;
  bool careful_ = false;           // the child crashed lately
  std::unique_ptr<ChildLog> log_;  // outlives the pool's children
  std::unique_ptr<ChildPool> pool_;
};

}  // namespace

Result<NamedTask> MakeIsolatedTask(std::string_view spec, const std::string& name,
                                   const TaskEnvironment& environment) {
  auto task = std::make_unique<IsolatedTask>(spec, name, environment);
  if (Status status = task->Start(); !status.ok()) return status;
  return NamedTask{name, std::move(task), true};
}

}  // namespace rivulet
