// The frames between a task host and us (queuereader/child/task_host.h), and what we make of a
// child's.
//
// A frame's content is a letter and what belongs to it. What a child says is not trusted: whatever
// it is, it is taken, or it is broken for a reason that is told. Pure; thread: one.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "queuereader/child/child_pool.h"
#include "queuereader/task.h"

namespace rivulet {

/// Of a frame: a task's saved state is the largest.
inline constexpr std::size_t kMaxHostFrameBytes = std::size_t{1} << 30;

struct HostFrame {
  char letter = 0;
  std::string_view body;  // a view of the bytes it was taken from
};

enum class HostTook : std::uint8_t { kNothing, kFrame, kBroken };

/// Takes the frame that `*bytes` begins with. O(1). `why` is set when it is broken.
HostTook TakeHostFrame(std::string_view* bytes, HostFrame* frame, std::string* why);
/// The body is the parts one behind the other.
void AppendHostFrame(std::string* out, char letter, std::initializer_list<std::string_view> body);

/// `text` up to the first `end`, which is taken with it; all of it, where there is none.
std::string_view TakeHostWord(std::string_view* text, char end);
/// A whole number of decimal digits, maybe with a minus before; nothing when it is none.
std::optional<std::int64_t> HostNumber(std::string_view text);

/// M: number, tries and started (nanoseconds since 1970), id, data.
struct HostMessageFrame {
  std::uint64_t number = 0;
  int tries = 1;
  WallTime started{};
  std::string_view id;
  std::string_view data;
};
void AppendHostMessage(std::string* out, std::uint64_t number, const Message& message);
std::optional<HostMessageFrame> ReadHostMessage(std::string_view body);

/// O: the number of the message, and what the task answered.
void AppendHostOutcome(std::string* out, std::uint64_t number, const Outcome& outcome);

/// K, the first: what the child's task is like.
struct HostReady {
  std::size_t batch = 1;
  bool has_state = false;
  std::vector<std::string> views;
};
std::string WriteHostReady(const HostReady& ready);
Result<HostReady> ReadHostReady(std::string_view json);

/// A message that was answered since the child's state was saved last.
struct ReplayEntry {
  std::string message;  // its frame
  std::string replies;  // the frames of what the store answered meanwhile
};

/// Our side of the frames while messages run; remembers what must be run again in a new child.
class HostDialect final : public ChildDialect {
 public:
  /// `outputs`: the names that the child's task may emit to.
  explicit HostDialect(std::vector<std::string> outputs) : outputs_(std::move(outputs)) {}

  void AppendMessage(std::string* out, const Message& message) override;
  Took Take(std::string_view* bytes, Context& context, ChildAnswer* answer, std::string* reply,
            std::string* why) override;

  /// Before messages are run: those before are gone.
  void Begin() { in_hand_.clear(); }
  /// A new child begins: what the old one had begun to say is void.
  void Restarted();
  /// The task's Save() gives something: from now on its messages are remembered.
  bool has_state() const { return has_state_; }
  void set_has_state() { has_state_ = true; }
  const std::vector<ReplayEntry>& log() const { return log_; }
  std::size_t log_bytes() const { return log_bytes_; }
  /// The task's state was saved, with all that was answered.
  void ForgetLog();

 private:
  struct InHand {
    std::uint64_t number;
    const Message* message;
  };

  Took TakeOutcome(std::string_view body, ChildAnswer* answer, std::string* why);
  Took TakeEmission(std::string_view body, std::string* why);
  Took TakeCounter(std::string_view body, std::string* why);
  Took TakeStoreRequest(const HostFrame& frame, Context& context, std::string* reply,
                        std::string* why);
  void Remember(const Message& message);

  std::vector<std::string> outputs_;
  std::deque<InHand> in_hand_;
  std::uint64_t next_number_ = 1;
  ChildAnswer answer_;   // of the message that is answered next
  std::string replies_;  // of the store, since the last answer
  bool has_state_ = false;
  std::vector<ReplayEntry> log_;
  std::size_t log_bytes_ = 0;
};

}  // namespace rivulet
