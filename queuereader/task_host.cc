#include "queuereader/task_host.h"

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
#include "queuereader/json_message.h"
#include "queuereader/task_host_frames.h"
#include "queuereader/task_host_summary.h"

namespace rivulet {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kMaxBatch = 1000;
constexpr char kThrewOther[] = "threw something that is no std::exception";

/// The pipes to the parent. Where the parent is gone the process ends: nobody waits for it.
class HostPipes {
 public:
  HostPipes(int in, int out) : in_(in), out_(out) {}

  /// The next frame; nothing at the end of input. What was taken before is void.
  std::optional<HostFrame> Next() {
    if (ahead_) {
      buffer_ = std::move(*ahead_);
      ahead_.reset();
      rest_ = buffer_;
    }
    for (HostFrame frame;;) {
      if (Take(&rest_, &frame)) return frame;
      Flush();
      buffer_.erase(0, buffer_.size() - rest_.size());
      const bool more = Read(&buffer_);
      rest_ = buffer_;
      if (!more) return std::nullopt;
    }
  }
  /// The next frame, if it is there already and has this letter. What was taken stays.
  std::optional<HostFrame> NextOfSame(char letter) {
    std::string_view rest = rest_;
    HostFrame frame;
    if (ahead_ || !Take(&rest, &frame) || frame.letter != letter) return std::nullopt;
    rest_ = rest;
    return frame;
  }
  /// Sends a request, and waits for the frame R that answers it, which may lie behind messages that
  /// were sent ahead. What was taken stays.
  std::string Ask() {
    Flush();
    if (!ahead_) ahead_ = std::string(rest_);
    std::size_t at = 0;
    for (HostFrame frame;;) {
      std::string_view rest = std::string_view(*ahead_).substr(at);
      if (Take(&rest, &frame)) {
        const std::size_t end = ahead_->size() - rest.size();
        if (frame.letter == 'R') {
          std::string body(frame.body);
          ahead_->erase(at, end - at);
          return body;
        }
        at = end;
        continue;
      }
      if (!Read(&*ahead_)) _exit(EXIT_SUCCESS);
    }
  }

  std::string& out() { return written_; }
  void Flush() {
    std::string_view rest = written_;
    while (!rest.empty()) {
      const ssize_t n = write(out_, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) _exit(EXIT_FAILURE);
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    written_.clear();
  }

 private:
  static bool Take(std::string_view* rest, HostFrame* frame) {
    std::string why;
    const HostTook took = TakeHostFrame(rest, frame, &why);
    if (took != HostTook::kBroken) return took == HostTook::kFrame;
    fmt::print(stderr, "task host: the reader {}\n", why);
    _exit(EXIT_FAILURE);
  }
  bool Read(std::string* into) const {
    const std::size_t size = into->size();
    into->resize(size + kReadBytes);
    ssize_t n = 0;
    do {
      n = read(in_, into->data() + size, kReadBytes);
    } while (n < 0 && errno == EINTR);
    into->resize(size + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    return n > 0;
  }

  int in_;
  int out_;
  std::string buffer_;
  std::string_view rest_;             // of buffer_
  std::optional<std::string> ahead_;  // what follows rest_, once a reply was waited for
  std::string written_;
};

/// The parent's store, by requests.
class ParentStore final : public Store {
 public:
  explicit ParentStore(HostPipes& pipes) : pipes_(pipes) {}

  Result<std::optional<std::string>> Get(std::string_view key) override { return Ask('G', key); }
  Status Set(std::string_view key, std::string_view value) override {
    return Ask('P', key, value).status();
  }
  Result<std::int64_t> Increment(std::string_view key, std::int64_t by) override {
    const StoreReply reply = Ask('A', key, fmt::format("{}", by));
    if (!reply.ok()) return reply.status();
    const auto sum = HostNumber(reply->value_or(""));
    if (!sum) return Status(StatusCode::kCorrupt, "the store's sum is no number");
    return *sum;
  }
  Status Delete(std::string_view key) override { return Ask('D', key).status(); }

 private:
  StoreReply Ask(char letter, std::string_view key, std::string_view rest = {}) {
    std::string framed_key;
    AppendFrame(&framed_key, key);
    AppendHostFrame(&pipes_.out(), letter, {framed_key, rest});
    return ReadStoreReply(pipes_.Ask());
  }

  HostPipes& pipes_;
};

class HostContext final : public Context {
 public:
  explicit HostContext(HostPipes& pipes) : pipes_(pipes), store_(pipes) {}

  void set_outputs(std::vector<std::string> outputs) { outputs_ = std::move(outputs); }
  void Begin() {
    now_ = SystemClock().WallNow();
    emitted_.clear();
    emitted_for_.clear();
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
    AppendEmission(&emitted_for_.emplace_back(place, std::string()).second, output, message);
  }
  void Count(std::string_view counter, std::uint64_t by) override {
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
    context_.Begin();
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
    if (!status.ok()) outcomes_.assign(messages_.size(), Outcome::Failed(status.message()));
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
