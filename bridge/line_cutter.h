// Cuts the bytes of a file into messages, one a line, and knows where each ended.
//
// A message is what stands before a newline, byte for byte: NUL and a trailing CR are kept. Empty
// lines are none. A last line needs no newline. Pure: no I/O, no clock.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace rivulet {

class LineCutter {
 public:
  enum class Found : std::uint8_t {
    kLine,
    kTooLong,  // longer than max_message_bytes; its size is too_long_bytes()
    kNothing,  // no whole line is left of what was given
  };

  /// Offsets are counted from `offset`. At most max_message_bytes of a line without an end are
  /// held, and nothing of one that is longer.
  explicit LineCutter(std::size_t max_message_bytes, std::uint64_t offset = 0)
      : max_message_bytes_(max_message_bytes), offset_(offset) {}

  /// The bytes that follow, to stay valid until Next() said kNothing; only after it did.
  void Give(std::string_view bytes) { rest_ = bytes; }

  /// The next line, valid until the next call of anything here. O(its bytes); one that lies within
  /// what was given is not copied.
  Found Next(std::string_view* line) {
    while (!rest_.empty()) {
      const void* end = std::memchr(rest_.data(), '\n', rest_.size());
      if (end == nullptr) {
        Keep(rest_);
        rest_ = {};
        break;
      }
      const auto size = static_cast<std::size_t>(static_cast<const char*>(end) - rest_.data());
      const auto bytes = rest_.substr(0, size);
      rest_.remove_prefix(size + 1);
      offset_ += open_bytes_ + size + 1;
      if (open_bytes_ == 0 && size <= max_message_bytes_) {
        *line = bytes;
      } else {
        Keep(bytes);
        if (const auto found = TakeOpen(line); found != Found::kLine) return found;
      }
      if (!line->empty()) return Found::kLine;
      ++empty_lines_;
    }
    return Found::kNothing;
  }

  /// No more bytes follow: a last line without a newline.
  Found End(std::string_view* line) {
    if (open_bytes_ == 0) return Found::kNothing;
    offset_ += open_bytes_;
    return TakeOpen(line);
  }

  /// Behind the last line that Next() or End() found or passed over.
  std::uint64_t offset() const { return offset_; }
  /// Of what was given, still to be cut.
  std::size_t rest_bytes() const { return rest_.size(); }
  std::uint64_t empty_lines() const { return empty_lines_; }
  std::uint64_t too_long_bytes() const { return too_long_bytes_; }

 private:
  void Keep(std::string_view bytes) {
    open_bytes_ += bytes.size();
    if (open_bytes_ <= max_message_bytes_) {
      open_.append(bytes);
    } else {
      open_ = std::string();  // gives the memory back
    }
  }

  Found TakeOpen(std::string_view* line) {
    const bool too_long = open_bytes_ > max_message_bytes_;
    if (too_long) too_long_bytes_ = open_bytes_;
    open_bytes_ = 0;
    taken_.swap(open_);
    open_.clear();
    if (open_.capacity() > kKeptBytes) open_ = std::string();
    if (too_long) return Found::kTooLong;
    *line = taken_;
    return Found::kLine;
  }

  static constexpr std::size_t kKeptBytes = 64 * 1024;

  std::size_t max_message_bytes_;
  std::uint64_t offset_;
  std::string_view rest_;         // of what was given
  std::string open_;              // the line that has no end yet, while it is not too long
  std::string taken_;             // the line found last, where it came in several pieces
  std::uint64_t open_bytes_ = 0;  // of that line
  std::uint64_t empty_lines_ = 0;
  std::uint64_t too_long_bytes_ = 0;
};

}  // namespace rivulet
