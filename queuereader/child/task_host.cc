#include "queuereader/child/task_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "base/frames.h"
#include "base/json.h"
#include "queuereader/child/store_frames.h"
#include "queuereader/child/task_host_frames.h"
#include "queuereader/child/task_host_pipes.h"
#include "queuereader/child/task_host_summary.h"
#include "queuereader/json_message.h"
#include "queuereader/task_context.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxBatch = 1000;
constexpr char kThrewOther[] = "threw something that is no std::exception";

/// The parent's store, by requests.
class ParentStore final : public Store {
 public:
  explicit ParentStore(HostPipes& pipes) : pipes_(pipes) {}

  Result<std::vector<StoreReply>> Run(const StoreBatch& batch) override {
    AppendStoreBatch(&pipes_.out(), batch);
    return ReadStoreReplies(pipes_.Ask());
  }
  Result<std::vector<std::string>> Keys(std::string_view prefix, StoreKind kind,
                                        std::size_t most) override {
    AppendStoreKeys(&pipes_.out(), prefix, kind, most);
    return ReadStoreKeys(pipes_.Ask());
  }

 private:
  HostPipes& pipes_;
};

class HostContext final : public Context {
 public:
  explicit HostContext(HostPipes& pipes) : pipes_(pipes), store_(pipes) {}

  void set_outputs(std::vector<std::string> outputs) { outputs_ = std::move(outputs); }
  /// A run of so many messages.
  void Begin(std::size_t messages) {
    messages_ = messages;
    now_ = SystemClock().WallNow();
    emitted_.clear();
    emitted_for_.clear();
  }
  /// Before and after all messages of a run that are run one by one, and before and after each:
  /// what is emitted then is as if emitted for its place.
  void BeginEach() { each_.clear(); }
  void BeginOne() { Begin(1); }
  void EndOne(std::size_t place) {
    for (auto& [unused, frame] : emitted_for_) emitted_ += frame;
    each_.emplace_back(place, std::move(emitted_));
  }
  void EndEach() {
    Begin(each_.size());
    emitted_for_ = std::move(each_);
  }
  /// What was emitted since Begin() by Emit().
  void SendEmissions() { pipes_.out() += emitted_; }
  /// What was emitted for the message at that place.
  void SendEmissionsFor(std::size_t place) {
    for (const auto& [of, frame] : emitted_for_) {
      if (of == place) pipes_.out() += frame;
    }
  }

  void Emit(std::string_view output, std::string_view message) override {
    AppendEmission(&emitted_, output, message);
  }
  void EmitFor(std::size_t place, std::string_view output, std::string_view message) override {
    TaskContext::CheckPlace(place, messages_);
    AppendEmission(&emitted_for_.emplace_back(place, std::string()).second, output, message);
  }
  // Refused here, in the run: later its state would have counted a message that has failed.
  void Count(std::string_view counter, std::uint64_t by) override {
    if (std::find(counters_.begin(), counters_.end(), counter) == counters_.end()) {
      TaskContext::CheckNewCounter(counter, counters_.size());
      counters_.emplace_back(counter);
    }
    AppendHostFrame(&pipes_.out(), 'C', {fmt::format("{} ", by), counter});
  }
  Store& store() override { return store_; }
  WallTime now() const override { return now_; }
  void Log(std::string_view line) override {
    AppendHostFrame(&pipes_.out(), 'L', {line});
    pipes_.Flush();
  }

 private:
  void AppendEmission(std::string* frame, std::string_view output, std::string_view message) const {
    if (std::find(outputs_.begin(), outputs_.end(), output) == outputs_.end()) {
      throw std::invalid_argument(
          fmt::format("no output '{}': the reader needs --output={}=URL", output, output));
    }
    AppendHostFrame(frame, 'E', {output, "\n", message});
  }

  HostPipes& pipes_;
  ParentStore store_;
  std::vector<std::string> outputs_;
  std::string emitted_;
  std::vector<std::pair<std::size_t, std::string>> emitted_for_;
  std::vector<std::pair<std::size_t, std::string>> each_;
  std::vector<std::string> counters_;  // known by now
  std::size_t messages_ = 0;
  WallTime now_{};
};

/// Runs `call`, and says what it threw.
template <typename Call>
Status HostGuarded(Call call) {
  try {
    return call();
  } catch (const std::exception& error) {
    return InvalidArgument(fmt::format("threw: {}", error.what()));
  } catch (...) {
    return InvalidArgument(kThrewOther);
  }
}

class TaskHost {
 public:
  TaskHost(const TaskRegistry& registry, int in, int out)
      : registry_(registry), pipes_(in, out), context_(pipes_) {}

  void Serve() {
    while (const auto frame = pipes_.Next()) {
      if (frame->letter == 'M' && task_) {
        RunMessages(*frame);
        continue;
      }
      const Status status = HostGuarded([&] { return Answer(*frame); });
      if (!status.ok()) AppendHostFrame(&pipes_.out(), 'X', {status.message()});
    }
    pipes_.Flush();
  }

 private:
  struct InHand {
    std::uint64_t number = 0;
    JsonDocument document;
    JsonMessage message;
  };

  Status Answer(const HostFrame& frame) {
    if (frame.letter == 'I') return Init(frame.body);
    if (!task_) return InvalidArgument("there is no task yet");
    switch (frame.letter) {
      case 'S':
        AppendHostFrame(&pipes_.out(), 'S', {task_->Save()});
        return {};
      case 'L':
        if (Status status = task_->Load(frame.body); !status.ok()) return status;
        knows_state_ = true;
        AppendHostFrame(&pipes_.out(), 'K', {});
        return {};
      case 'U': {
        HostSummaryWriter summary;
        task_->Summarize(summary);
        AppendHostFrame(&pipes_.out(), 'U', {summary.Finish()});
        return {};
      }
      case 'V': {
        const std::optional<View> view = task_->Show(frame.body);
        if (!view) return InvalidArgument("");
        AppendHostFrame(&pipes_.out(), 'V', {view->content_type, "\n", view->body});
        return {};
      }
      default:
        return InvalidArgument("that is nothing a task host knows");
    }
  }

  Status Init(std::string_view body) {
    const auto words = ParseFrames(body);
    if (!words.ok() || words->size() < 2) return InvalidArgument("a task host needs a spec");
    const std::string spec((*words)[0]);
    TaskEnvironment environment;
    environment.outputs.assign(words->begin() + 2, words->end());
    environment.store = &context_.store();
    auto made = registry_.Make(spec, environment);
    if (!made.ok()) {
      // Who asked for the spec names it.
      const std::string prefix = fmt::format("task {}: ", spec);
      std::string why = made.status().message();
      if (why.starts_with(prefix)) why.erase(0, prefix.size());
      return InvalidArgument(why);
    }
    task_ = std::move(made->task);
    context_.set_outputs(environment.outputs);
    knows_state_ = !task_->Save().empty();
    const std::size_t batch = std::clamp<std::size_t>(task_->batch_size(), 1, kMaxBatch);
    while (in_hand_.size() < batch) in_hand_.push_back(std::make_unique<InHand>());
    AppendHostFrame(&pipes_.out(), 'K', {WriteHostReady({batch, knows_state_, task_->views()})});
    return {};
  }

  /// The message, and those behind it that are here already, as many as the task takes at once.
  void RunMessages(const HostFrame& first) {
    // What was answered is told before a message that may end the process.
    pipes_.Flush();
    std::size_t count = 0;
    messages_.clear();
    for (std::optional<HostFrame> frame = first; frame;) {
      if (Status status = Bind(*frame, *in_hand_[count]); !status.ok()) {
        fmt::print(stderr, "task host: {}\n", status.message());
        _exit(EXIT_FAILURE);
      }
      messages_.push_back(&in_hand_[count]->message);
      if (++count == in_hand_.size()) break;
      frame = pipes_.NextOfSame('M');
    }
    context_.Begin(count);
    Run();
    const bool failed = std::any_of(outcomes_.begin(), outcomes_.end(),
                                    [](const Outcome& outcome) { return outcome.failed(); });
    if (!knows_state_ && StateBegan()) AppendHostFrame(&pipes_.out(), 'H', {});
    for (std::size_t i = 0; i < count; ++i) {
      if (!outcomes_[i].failed()) context_.SendEmissionsFor(i);
      // Those of no message go with the last one.
      if (i + 1 == count && !failed) context_.SendEmissions();
      AppendHostOutcome(&pipes_.out(), in_hand_[i]->number, outcomes_[i]);
    }
  }

  static Status Bind(const HostFrame& frame, InHand& in_hand) {
    const auto read = ReadHostMessage(frame.body);
    if (!read) return InvalidArgument("the reader sent a message that is none");
    if (Status status = in_hand.document.Parse(read->data); !status.ok()) return status;
    in_hand.number = read->number;
    in_hand.message.Bind(
        {read->data, &in_hand.document.root(), read->tries, read->started, read->id});
    return {};
  }

  void Run() {
    outcomes_.assign(messages_.size(), Outcome::Done());
    const Status status = HostGuarded([&] {
      if (messages_.size() == 1) {
        outcomes_.front() = task_->Run(*messages_.front(), context_);
      } else {
        task_->RunBatch(messages_, outcomes_, context_);
      }
      return Status();
    });
    if (status.ok()) return;
    if (messages_.size() > 1) return RunEach();
    outcomes_.assign(1, Outcome::Failed(status.message()));
  }

  /// Of a batch that threw: none is charged before it has failed alone.
  void RunEach() {
    context_.BeginEach();
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      context_.BeginOne();
      const Status status = HostGuarded([&] {
        outcomes_[i] = task_->Run(*messages_[i], context_);
        return Status();
      });
      if (!status.ok()) outcomes_[i] = Outcome::Failed(status.message());
      context_.EndOne(i);
    }
    context_.EndEach();
  }

  bool StateBegan() {
    const Status status = HostGuarded([&] {
      knows_state_ = !task_->Save().empty();
      return Status();
    });
    return status.ok() && knows_state_;
  }

  const TaskRegistry& registry_;
  HostPipes pipes_;
  HostContext context_;
  std::unique_ptr<Task> task_;
  bool knows_state_ = false;  // the reader knows that there is some
  std::vector<std::unique_ptr<InHand>> in_hand_;
  std::vector<const Message*> messages_;
  std::vector<Outcome> outcomes_;
};

/// Out of the way of a task that closes the descriptors it knows.
int MoveAway(int fd) {
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
  if (moved >= 0) close(fd);
  return moved;
}

}  // namespace

int RunTaskHost(const TaskRegistry& registry) {
  const int in = MoveAway(3);
  const int out = MoveAway(4);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (in < 0 || out < 0 || null < 0) {
    fmt::print(stderr, "{} is for readers alone: they start it with pipes at 3 and 4\n",
               kTaskHostArgument);
    return 2;
  }
  dup2(null, STDIN_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  close(null);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  TaskHost(registry, in, out).Serve();
  return 0;
}

}  // namespace rivulet
