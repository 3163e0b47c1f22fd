// Decodes what a subscriber of pubsub receives: a response head, then chunks (or a body
// that goes on until the end) whose data is messages. Trusts its peer beyond the framing: for
// measuring only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace rivulet::bench {

class StreamDecoder {
 public:
  enum class State { kHead, kSize, kData, kDataEnd, kUnframed, kEnded, kBroken };

  /// Calls on_data(std::string_view) for each piece of chunk data in `bytes`.
  template <typename OnData>
  void Feed(std::string_view bytes, OnData&& on_data) {
    while (!bytes.empty() && state_ != State::kEnded && state_ != State::kBroken) {
      if (state_ == State::kUnframed) {
        on_data(bytes);
        return;
      }
      if (state_ == State::kData) {
        const std::size_t taken = std::min(left_, bytes.size());
        on_data(bytes.substr(0, taken));
        bytes.remove_prefix(taken);
        left_ -= taken;
        if (left_ == 0) state_ = State::kDataEnd;
        continue;
      }
      const std::size_t newline = bytes.find('\n');
      line_ += bytes.substr(0, newline);
      if (newline == std::string_view::npos) return;
      bytes.remove_prefix(newline + 1);
      if (!line_.empty() && line_.back() == '\r') line_.pop_back();
      TakeLine();
      line_.clear();
    }
  }

  State state() const { return state_; }
  /// True once a head with status 200 has come.
  bool is_streaming() const { return status_ok_ && state_ != State::kHead; }

 private:
  void TakeLine() {
    switch (state_) {
      case State::kHead:
        if (is_first_line_) status_ok_ = line_.size() > 12 && line_.compare(8, 4, " 200") == 0;
        is_first_line_ = false;
        if (line_ == "Transfer-Encoding: chunked") is_chunked_ = true;
        if (line_.empty() && status_ok_) state_ = is_chunked_ ? State::kSize : State::kUnframed;
        if (line_.empty() && !status_ok_) state_ = State::kBroken;
        break;
      case State::kSize:
        left_ = 0;
        if (line_.empty()) state_ = State::kBroken;
        for (const char c : line_) {
          const std::size_t digit = std::string_view("0123456789abcdef")
                                        .find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
          if (digit == std::string_view::npos) {
            state_ = State::kBroken;
            return;
          }
          left_ = left_ * 16 + digit;
        }
        state_ = left_ == 0 ? State::kEnded : State::kData;
        break;
      case State::kDataEnd:
        state_ = line_.empty() ? State::kSize : State::kBroken;
        break;
      default:
        break;
    }
  }

  State state_ = State::kHead;
  bool is_first_line_ = true;
  bool status_ok_ = false;
  bool is_chunked_ = false;  // else the body goes on until the connection ends
  std::size_t left_ = 0;     // of the chunk's data
  std::string line_;         // the part of a framing line that has come
};

}  // namespace rivulet::bench
