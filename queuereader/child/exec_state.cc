#include <fmt/format.h>

#include "queuereader/child/exec_protocol.h"

namespace rivulet {
namespace {

constexpr std::size_t kLongMessages = 1000;
constexpr std::size_t kLongBytes = std::size_t{1} << 20;

// The first line says whether the second is a state; the rest are messages.
constexpr std::string_view kHeadWithState = "exec state 1";
constexpr std::string_view kHeadWithout = "exec state 1, none yet";

std::string_view TakeLine(std::string_view* text) {
  const std::size_t end = text->find('\n');
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line;
}

}  // namespace

void ExecState::Answered() {
  if (asked_.empty()) return;
  log_bytes_ += asked_.front().size();
  log_.push_back(std::move(asked_.front()));
  asked_.pop_front();
}

void ExecState::Saved(std::string state, std::size_t messages) {
  has_state_ = true;
  state_ = std::move(state);
  for (; messages > 0 && !log_.empty(); --messages) {
    log_bytes_ -= log_.front().size();
    log_.pop_front();
  }
}

bool ExecState::is_long() const { return log_.size() >= kLongMessages || log_bytes_ >= kLongBytes; }

std::string ExecState::Replay(std::size_t messages, bool loads) const {
  std::string lines;
  if (loads) lines = fmt::format("{{\"_load_\":{}}}\n", state_);
  for (std::size_t i = 0; i < messages; ++i) lines += log_[i];
  return lines;
}

std::string ExecState::Encode() const {
  if (!has_state_ && log_.empty()) return {};
  std::string out = fmt::format("{}\n", has_state_ ? kHeadWithState : kHeadWithout);
  if (has_state_) out += state_ + '\n';
  for (const std::string& line : log_) out += line;
  return out;
}

Status ExecState::Decode(std::string_view saved) {
  const std::string_view head = TakeLine(&saved);
  if (head != kHeadWithState && head != kHeadWithout) {
    return InvalidArgument(fmt::format("its saved state begins with '{}' instead of '{}'",
                                       head.substr(0, 40), kHeadWithState));
  }
  if (!saved.empty() && saved.back() != '\n') {
    return InvalidArgument("its saved state ends within a line");
  }
  if (head == kHeadWithState) Saved(std::string(TakeLine(&saved)), 0);
  while (!saved.empty()) {
    Asked(std::string(TakeLine(&saved)) + '\n');
    Answered();
  }
  return {};
}

}  // namespace rivulet
