// A strict, incremental parser of HTTP/1.x request heads: a pure function over bytes.
//
// RFC 9112 3 and 5, and where it lets a server choose, the stricter choice: CRLF ends every line, a
// bare CR or LF, a NUL, a folded line, white space before a colon, two Content-Lengths (also equal
// ones), Content-Length beside Transfer-Encoding, any coding but `chunked`, and a missing or
// doubled Host are refused. A body in a content coding is refused (415), as nobody here takes it
// off: it would be kept as if it were the message. How the bytes were cut on their way makes no
// difference to the outcome.
//
// No allocation: fields are offsets from the head's first byte, so the bytes may move between
// calls. Thread: none. Cost: O(bytes), each byte looked at once however it trickles in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/message.h"

namespace rivulet {

inline constexpr std::size_t kMaxHeadBytes = 16 * 1024;
inline constexpr std::size_t kMaxFields = 100;

/// A piece of the head, as an offset from its first byte.
struct HeadSpan {
  std::uint16_t offset = 0;
  std::uint16_t size = 0;
  std::string_view In(const char* head) const { return {head + offset, size}; }
};

struct HeadField {
  HeadSpan name;
  HeadSpan value;  // without the white space around it
};

struct RequestHead {
  Method method = Method::kUnknown;
  bool http11 = true;  // else HTTP/1.0
  bool keep_alive = true;
  bool chunked = false;     // the body is chunked
  bool has_length = false;  // the body is content_length bytes
  bool expect_continue = false;
  HeadSpan path;   // as sent, percent-encoded; "*" for OPTIONS *
  HeadSpan query;  // after the '?', empty without one
  std::uint64_t content_length = 0;
  std::uint16_t field_count = 0;
  std::array<HeadField, kMaxFields> fields;
};

class RequestParser {
 public:
  enum class Outcome { kNeedMore, kDone, kError };

  /// `data` holds all bytes since the head's first one: what was given before, and more. After
  /// kDone or kError call Reset() first.
  Outcome Parse(std::string_view data);
  void Reset();

  /// After kDone. (The method is known from the end of the request line on, else kUnknown.)
  const RequestHead& head() const { return head_; }
  std::size_t head_bytes() const { return position_; }

  /// After kError: the status to answer with (the connection must then close) and one line why.
  int error_status() const { return error_status_; }
  const char* error_reason() const { return error_reason_; }

  /// True once a byte of a head (not of blank lines before it) has been seen.
  bool started() const { return started_; }

 private:
  bool Fail(int status, const char* reason);
  bool ParseRequestLine(const char* base, std::size_t begin, std::size_t end);
  bool ParseTarget(const char* base, std::size_t begin, std::size_t end);
  bool ParseFieldLine(const char* base, std::size_t begin, std::size_t end);
  bool ApplyField(std::string_view name, std::string_view value);
  bool ApplyContentLength(std::string_view value);
  bool ApplyTransferEncoding(std::string_view value);
  bool ApplyHost(std::string_view value);
  void ApplyConnection(std::string_view value);
  bool Finish();

  std::size_t position_ = 0;  // first byte of the line being read
  std::size_t scanned_ = 0;   // bytes already searched for the line's end
  bool started_ = false;
  bool have_request_line_ = false;
  bool have_host_ = false;
  bool coded_ = false;  // a Content-Encoding besides identity
  bool close_token_ = false;
  bool keep_alive_token_ = false;
  std::uint8_t blank_lines_ = 0;
  int error_status_ = 0;
  const char* error_reason_ = "";
  RequestHead head_;
};

}  // namespace rivulet
