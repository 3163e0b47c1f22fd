// One child of a pool: its pipes, what waits in them, and the messages that it owes an answer.
//
// Thread: its pool's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/status.h"
#include "queuereader/child/child_pool.h"
#include "queuereader/child/child_process.h"

namespace rivulet {

class ChildPoolWorker {
 public:
  ChildPoolWorker(BackoffConfig backoff, std::uint64_t seed) : restart(backoff, seed) {}

  bool running() const { return process_ != nullptr; }
  Status Start(const ChildConfig& config);
  /// It shall end: closes its input.
  void CloseInput();
  /// How it ended. What it owes stays to be looked at; nothing more is read or written.
  std::string End(Duration patience);

  /// Appends to what is to be written.
  std::string* out() { return &out_; }
  /// What was appended last is a message: its answer is owed.
  void Owe(std::size_t message, MonoTime now);
  bool has_unwritten() const { return out_begin_ < out_.size(); }
  /// Bytes of messages without an answer.
  std::uint64_t unanswered_bytes() const { return written_ + out_.size() - out_begin_ - answered_; }
  /// Writes as much as goes, and forgets what nobody reads any more: what it has answered before is
  /// still to be read, and then its end.
  void Flush();
  /// Reads what is there. False when nothing more will come.
  bool Receive();
  std::string_view received() const { return {in_.data() + in_begin_, in_end_ - in_begin_}; }
  void Drop(std::size_t bytes) { in_begin_ += bytes; }

  bool owes() const { return !owed_.empty(); }
  std::size_t owed() const { return owed_.size(); }
  std::size_t first_owed() const { return owed_.front().message; }
  /// The first message that it owes an answer has been written whole.
  bool first_is_written() const { return owed_.front().end <= written_; }
  /// It has answered the first; the next one's clock starts.
  std::size_t TakeOwed(MonoTime now);
  /// The messages that it owes, in order; they are owed no more.
  std::vector<std::size_t> Forget();
  /// It could not work on what it owes first: it had not got it.
  void RestartClock(MonoTime now) { waiting_since_ = now; }
  /// When what it owes first became the first.
  MonoTime waiting_since() const { return waiting_since_; }

  /// It has answered so many, as was seen now.
  void NotePace(std::size_t answers, MonoTime now);
  /// How long an answer took of late; zero as long as that is not known.
  Duration pace() const { return pace_; }

  /// All that it owes is still in the pipe: it has not looked at it. Before End().
  bool has_not_read_owed() const;

  int input() const { return process_->input(); }
  int output() const { return process_->output(); }

  // The pool's own notes about it.
  JitterBackoff restart;
  MonoTime not_before{};                     // of its next start
  bool has_answered = false;                 // since it was started
  bool alone = false;                        // what it has in hand is to be the only message there
  std::optional<std::size_t> last_answered;  // of this run
  ChildAnswer pending;                       // what it has said so far about the first message

 private:
  struct Owed {
    std::size_t message;
    std::uint64_t end;  // of its bytes, counted since the start
  };

  std::unique_ptr<ChildProcess> process_;
  std::string out_;
  std::size_t out_begin_ = 0;
  std::uint64_t written_ = 0;   // since the start
  std::uint64_t answered_ = 0;  // where the last message with an answer ended
  std::vector<char> in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::deque<Owed> owed_;
  MonoTime waiting_since_{};
  MonoTime paced_{};  // when it was seen to answer, or was given something to do
  Duration pace_{};
};

}  // namespace rivulet
