// An incremental decoder of chunked bodies (RFC 9112 7.1), strict: sizes are hexadecimal digits
// alone, extensions are read over and bounded, every line ends with CRLF, trailers are checked as
// header lines and dropped. A pure function over bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet {

class ChunkDecoder {
 public:
  enum class Outcome { kNeedMore, kDone, kError };

  /// Decodes from `data`, appends body bytes to `body`, and sets `*used` to the bytes read (all of
  /// them unless kDone or kError). Refuses to let `body` grow beyond `max_body_bytes`.
  Outcome Decode(std::string_view data, std::size_t max_body_bytes, std::string* body,
                 std::size_t* used);
  void Reset() { *this = ChunkDecoder(); }

  /// After kError: 400, 413 or 431, and one line why.
  int error_status() const { return error_status_; }
  const char* error_reason() const { return error_reason_; }

 private:
  enum class State : std::uint8_t {
    kSizeStart,     // the first digit of a size
    kSize,          // further digits
    kExtension,     // after the size, up to CR
    kSizeNewline,   // the LF after a size line
    kData,          // remaining_ bytes of body
    kDataReturn,    // the CR after a chunk
    kDataNewline,   // its LF
    kTrailerStart,  // the first byte of a trailer line, or the CR of the last line
    kTrailerName,   // up to the colon
    kTrailerValue,  // up to CR
    kTrailerNewline,
    kEndNewline,  // the LF that ends the body
  };

  Outcome Fail(int status, const char* reason);
  /// One byte of anything but kData.
  Outcome Step(char c, std::size_t max_body_bytes, std::size_t body_bytes);

  State state_ = State::kSizeStart;
  std::uint64_t remaining_ = 0;
  std::uint32_t extension_bytes_ = 0;
  std::uint32_t trailer_bytes_ = 0;
  int error_status_ = 0;
  const char* error_reason_ = "";
};

}  // namespace rivulet
