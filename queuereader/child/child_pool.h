// Runs messages through child processes: as many at once as there are workers, several ahead in
// each one's pipe, an answer a message, in order.
//
// What goes wrong costs one message a try. When a child ends, says something that is no answer, or
// does not answer in time, it is killed and started again; the first message that it had not
// answered has failed, those behind it are sent anew. (Of a child that may hold answers back,
// ChildPoolConfig:: answers_each, they are all sent anew, one at a time, and the one that does it
// again has failed.) One that says more than it was asked fails the message that it has answered
// last. A child that ends while it has nothing to answer costs nothing.
//
// A child that ends before its first answer is started again with backoff; where it has read none
// of its messages, or its start has failed, that costs none a try. After kMaxDeadStarts in a row
// what is left of the run has failed for the same reason; where no child has ever answered, Run()
// throws TaskUnusable instead, and at once when a shell has found no command to run (127, 126). A
// stop cuts the backoff short and lets the run end, answers' timeouts included: what was not sent
// would otherwise be charged for nothing.
//
// Thread: the one that runs tasks; it blocks there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/status.h"
#include "queuereader/child/child_process.h"
#include "queuereader/task.h"

namespace rivulet {

/// What a child says about a message.
struct ChildAnswer {
  Outcome outcome = Outcome::Done();
  std::vector<std::pair<std::string, std::string>> emissions;  // output, message
  std::vector<std::pair<std::string, std::uint64_t>> counters;
};

/// The language between us and a child. Pure.
class ChildDialect {
 public:
  enum class Took : std::uint8_t {
    kNothing,  // no whole piece is there yet
    kAnswer,   // to the first message without one
    kOther,    // something else, dealt with; `reply` is to be written to the child
    kBroken,   // that is none of the language: `why`
  };

  virtual ~ChildDialect() = default;
  virtual void AppendMessage(std::string* out, const Message& message) = 0;
  /// Why the message cannot be said in this language: it has failed without being sent. Empty: it
  /// can.
  virtual std::string WhyNot(const Message& message) const {
    static_cast<void>(message);
    return {};
  }
  /// Takes a piece from the front of `bytes`. `context` is of the task that runs. `answer` is as
  /// the piece before left it, new after a kAnswer.
  virtual Took Take(std::string_view* bytes, Context& context, ChildAnswer* answer,
                    std::string* reply, std::string* why) = 0;
};

struct ChildPoolConfig {
  ChildConfig child;
  std::size_t workers = 1;
  Duration timeout = std::chrono::seconds(30);  // for an answer; zero: none
  std::size_t ahead_bytes = 64 << 10;  // unanswered in one child's pipe; one message always
  std::size_t ahead_messages = 256;
  std::size_t max_answer_bytes = std::size_t{1} << 20;  // of a piece
  /// It has written an answer before it begins with the next message: the first message without
  /// one is to blame for its end.
  bool answers_each = true;
  std::string timeout_hint;  // behind "did not answer within 5s", for a child that never has
  BackoffConfig restart;
  std::uint64_t seed = 0;  // of the restarts' jitter
  std::function<bool()> stop_requested = [] { return false; };
};

struct ChildPoolStats {
  std::uint64_t starts = 0;
  std::uint64_t crashes = 0;  // ended, or broke the language, with something to answer
  std::uint64_t timeouts = 0;
};

inline constexpr int kMaxDeadStarts = 10;

class ChildPool {
 public:
  /// Starts nothing yet. Both must outlive it.
  ChildPool(const Clock& clock, ChildPoolConfig config, ChildDialect& dialect);
  /// As End(0).
  ~ChildPool();

  /// An outcome each. `context` gets what the answers emit, of those that did not fail, and count,
  /// in the order of the messages; what it throws fails the message. `one_at_a_time`: no message
  /// ahead. After it has thrown no message has an outcome.
  void Run(std::span<const Message* const> messages, std::span<Outcome> outcomes, Context& context,
           bool one_at_a_time);
  /// The next runs will be of these, in order, behind those of the calls before: sends what goes to
  /// children that run. They must live until they are run. A run of others ends the children.
  void Ahead(std::span<const Message* const> messages);
  /// Called with a child that was just started, before any message; it may Ask(). When it fails,
  /// the child is taken for broken.
  void OnStart(std::function<Status(std::size_t worker)> hook);
  /// Writes to a child that owes no answer (starting it when there is none), and reads until `take`
  /// says that it has had enough (true; it takes from the front of the bytes, and is asked first
  /// with none). kUnavailable when the child ended, or nothing was taken for the timeout; an error
  /// of `take` is returned. After either the child is ended.
  Status Ask(std::size_t worker, std::string_view request,
             const std::function<Result<bool>(std::string_view* bytes)>& take);
  /// Within the hook: what was asked has brought it on, so that an end now is no dead start.
  void Progressed();
  /// Ends the children, with so much patience.
  void End(Duration patience);

  ChildPoolStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
