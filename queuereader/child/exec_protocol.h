// What a program that is a task says: see queuereader/child/exec_task.h for the language.
//
// Pure. Numbers and texts in what it sends on (data, emissions, its state) keep its bytes, so that
// none of 30 digits is rounded on the way.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "queuereader/child/child_pool.h"

namespace rivulet {

/// Reads an answer's line, without its newline. Takes anything: kInvalidArgument says what is
/// wrong.
Result<ChildAnswer> ParseExecAnswer(std::string_view line);
/// The state in an answer to {"_save_":true}, as JSON. Takes anything.
Result<std::string> ParseExecState(std::string_view line);
/// OK when the answer to {"_load_":…} is {"ok":true}. Takes anything.
Status ParseExecLoaded(std::string_view line);

/// What a program with state has to be given after it was started anew: its last saved state, and
/// the messages that it has answered since, in order.
class ExecState {
 public:
  /// It was sent this line (with its newline).
  void Asked(std::string line) { asked_.push_back(std::move(line)); }
  /// It has answered the first that it had not.
  void Answered();
  /// What it had not answered, nobody will.
  void Ended() { asked_.clear(); }
  /// It has saved this, as JSON in one line; the first `messages` of those since are in it.
  void Saved(std::string state, std::size_t messages);

  bool has_state() const { return has_state_; }
  /// Messages since then.
  std::size_t messages() const { return log_.size(); }
  /// There is so much of it that it should be saved: 1,000 messages or 1 MiB.
  bool is_long() const;
  /// Lines to write to the program: {"_load_":…} if it `loads`, and the first `messages`.
  std::string Replay(std::size_t messages, bool loads) const;

  /// As bytes, for a checkpoint; empty when there is nothing. Load() is told by the first line.
  std::string Encode() const;
  Status Decode(std::string_view saved);

 private:
  bool has_state_ = false;
  std::string state_;
  std::deque<std::string> log_;  // lines with their newlines
  std::size_t log_bytes_ = 0;
  std::deque<std::string> asked_;
};

class ExecDialect final : public ChildDialect {
 public:
  /// `outputs`: the names that may be emitted to. `state`: is told what is asked and answered; may
  /// be nullptr; must outlive this.
  ExecDialect(std::vector<std::string> outputs, ExecState* state)
      : outputs_(std::move(outputs)), state_(state) {}

  void AppendMessage(std::string* out, const Message& message) override;
  /// A message that looks like a request of ours would change the state of a program that keeps
  /// one.
  std::string WhyNot(const Message& message) const override;
  Took Take(std::string_view* bytes, Context& context, ChildAnswer* answer, std::string* reply,
            std::string* why) override;

 private:
  void CheckOutputs(ChildAnswer* answer) const;

  std::vector<std::string> outputs_;
  ExecState* state_;
};

}  // namespace rivulet
