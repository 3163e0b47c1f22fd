#include "bridge/frame_splitter.h"

#include <algorithm>
#include <charconv>

namespace rivulet {

namespace {
std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// The digits up to `stop`, which is passed too. Nothing when it is anything else.
std::optional<std::uint64_t> TakeNumber(const char** at, const char* end, char stop) {
  constexpr std::ptrdiff_t kMaxDigits = 19;  // of any value
  std::uint64_t number = 0;
  const char* next = *at;
  for (; next != end && *next >= '0' && *next <= '9'; ++next) {
    number = number * 10 + static_cast<std::uint64_t>(*next - '0');
  }
  const std::ptrdiff_t digits = next - *at;
  if (next == end || *next != stop || digits == 0 || digits > kMaxDigits) return std::nullopt;
  *at = next + 1;
  return number;
}
}  // namespace

void FrameSplitter::Reset() {
  state_ = State::kHead;
  held_ = std::string();
  too_long_ = false;
}

bool FrameSplitter::Feed(std::string_view data, Sink* sink) {
  while (!data.empty() && state_ != State::kBroken) {
    if (state_ == State::kHead && held_.empty()) TakeWhole(&data, sink);
    if (data.empty()) break;
    const bool good = state_ == State::kHead ? TakeHead(&data) : TakeBody(&data, sink);
    if (!good) state_ = State::kBroken;
  }
  return state_ != State::kBroken;
}

// Messages of one topic that are there from head to newline: nearly all. Stops at anything else,
// which is read step by step.
void FrameSplitter::TakeWhole(std::string_view* data, Sink* sink) const {
  const char* const end = data->data() + data->size();
  const char* begin = data->data();
  while (true) {
    const char* at = begin;
    const auto position = TakeNumber(&at, end, ' ');
    const auto size = position ? TakeNumber(&at, end, '\n') : std::nullopt;
    if (!size || *size >= static_cast<std::uint64_t>(end - at) || *size > max_message_bytes_) break;
    const auto bytes = static_cast<std::size_t>(*size);
    if (at[bytes] != '\n') break;
    sink->OnFrame(*position, {at, bytes});
    begin = at + bytes + 1;
  }
  data->remove_prefix(static_cast<std::size_t>(begin - data->data()));
}

bool FrameSplitter::TakeHead(std::string_view* data) {
  const auto end = data->find('\n');
  const auto piece = data->substr(0, end);
  if (held_.size() + piece.size() > kMaxHeadBytes) return false;
  if (end == std::string_view::npos) {
    held_.append(piece);
    data->remove_prefix(piece.size());
    return true;
  }
  bool good = false;
  if (held_.empty()) {
    good = ParseHead(piece);
  } else {
    held_.append(piece);
    good = ParseHead(held_);
    held_.clear();
  }
  data->remove_prefix(end + 1);
  return good;
}

bool FrameSplitter::ParseHead(std::string_view head) {
  const auto first = head.substr(0, head.find(' '));
  const auto last_space = head.rfind(' ');
  if (last_space == std::string_view::npos) return false;
  const auto size = ParseNumber(head.substr(last_space + 1));
  position_ = ParseNumber(first);
  if (!size || *size == UINT64_MAX || (!position_ && first != "-")) return false;
  body_left_ = *size + 1;
  too_long_ = *size > max_message_bytes_;
  state_ = State::kBody;
  return true;
}

bool FrameSplitter::TakeBody(std::string_view* data, Sink* sink) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, data->size()));
  const auto piece = data->substr(0, size);
  data->remove_prefix(size);
  body_left_ -= size;
  if (body_left_ > 0) {
    if (!too_long_) held_.append(piece);
    return true;
  }
  if (piece.back() != '\n') return false;
  state_ = State::kHead;
  if (held_.empty() || too_long_) {
    Tell(piece.substr(0, size - 1), sink);
    return true;
  }
  held_.append(piece);
  Tell(std::string_view(held_).substr(0, held_.size() - 1), sink);
  if (held_.capacity() > kKeptBytes) held_ = std::string();
  held_.clear();
  return true;
}

void FrameSplitter::Tell(std::string_view body, Sink* sink) const {
  if (!position_) {
    if (!too_long_) sink->OnNotice(body);
  } else if (too_long_) {
    sink->OnLongFrame(*position_);
  } else {
    sink->OnFrame(*position_, body);
  }
}

}  // namespace rivulet
