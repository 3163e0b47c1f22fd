// Counts HTTP messages, requests or responses, in a byte stream that may be cut anywhere.
//
// The least work that tells one message from the next: the lines of a head, one header
// (Content-Length), a body skipped by its length. It trusts its peer and refuses nothing: for
// measuring only.
#pragma once

#include <strings.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace rivulet::bench {

class HttpCounter {
 public:
  /// The number of messages that end within `bytes`, the next of the stream. Calls
  /// on_head(std::string_view head) for each head as it becomes complete. A message without
  /// Content-Length has no body.
  template <typename OnHead>
  std::size_t Feed(std::string_view bytes, OnHead&& on_head) {
    std::size_t ended = 0;
    while (!bytes.empty()) {
      if (body_left_ > 0) {
        const std::size_t taken = std::min(body_left_, bytes.size());
        body_left_ -= taken;
        bytes.remove_prefix(taken);
        if (body_left_ == 0) ++ended;
        continue;
      }
      const std::size_t carried = partial_head_.size();
      std::string_view head = bytes;
      if (carried > 0) {
        partial_head_ += bytes;
        head = partial_head_;
      }
      const std::size_t head_bytes = ParseHead(head);
      if (head_bytes == 0) {
        if (carried == 0) partial_head_ = bytes;
        break;
      }
      on_head(head.substr(0, head_bytes));
      bytes.remove_prefix(head_bytes - carried);
      partial_head_.clear();
      if (body_left_ == 0) ++ended;
    }
    return ended;
  }

 private:
  /// The bytes of the head that `bytes` begins with, 0 while it is not complete; sets body_left_.
  std::size_t ParseHead(std::string_view bytes) {
    static constexpr std::string_view kLength = "content-length:";
    std::size_t length = 0;
    const char* line = bytes.data();
    const char* const end = line + bytes.size();
    while (line < end) {
      const auto* newline =
          static_cast<const char*>(std::memchr(line, '\n', static_cast<std::size_t>(end - line)));
      if (newline == nullptr) return 0;
      if (newline - line <= 1) {
        body_left_ = length;
        return static_cast<std::size_t>(newline + 1 - bytes.data());
      }
      if ((*line | 0x20) == 'c' && newline - line > static_cast<std::ptrdiff_t>(kLength.size()) &&
          strncasecmp(line, kLength.data(), kLength.size()) == 0) {
        length = Digits(line + kLength.size(), newline);
      }
      line = newline + 1;
    }
    return 0;
  }

  static std::size_t Digits(const char* p, const char* end) {
    std::size_t value = 0;
    while (p < end && *p == ' ') ++p;
    for (; p < end && *p >= '0' && *p <= '9'; ++p) {
      value = value * 10 + static_cast<std::size_t>(*p - '0');
    }
    return value;
  }

  std::size_t body_left_ = 0;
  std::string partial_head_;
};

/// True for the head of a response with status 200.
inline bool IsOkResponse(std::string_view head) {
  return head.size() > 12 && head.substr(8, 4) == " 200";
}
/// The same for any 2xx.
inline bool IsSuccess(std::string_view head) {
  return head.size() > 12 && head.substr(8, 2) == " 2";
}

}  // namespace rivulet::bench
