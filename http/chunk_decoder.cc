#include "http/chunk_decoder.h"

#include <algorithm>

#include "http/syntax.h"

namespace rivulet {

namespace {
constexpr std::uint32_t kMaxExtensionBytes = 256;      // of one chunk
constexpr std::uint32_t kMaxTrailerBytes = 16 * 1024;  // of all trailer lines
constexpr std::uint64_t kMaxSizeBeforeShift = 1ULL << 56;
}  // namespace

ChunkDecoder::Outcome ChunkDecoder::Fail(int status, const char* reason) {
  error_status_ = status;
  error_reason_ = reason;
  return Outcome::kError;
}

ChunkDecoder::Outcome ChunkDecoder::Decode(std::string_view data, std::size_t max_body_bytes,
                                           std::string* body, std::size_t* used) {
  std::size_t at = 0;
  while (at < data.size()) {
    if (state_ == State::kData) {
      const std::size_t n = std::min<std::uint64_t>(remaining_, data.size() - at);
      body->append(data.data() + at, n);
      at += n;
      remaining_ -= n;
      if (remaining_ == 0) state_ = State::kDataReturn;
      continue;
    }
    const Outcome outcome = Step(data[at++], max_body_bytes, body->size());
    if (outcome != Outcome::kNeedMore) {
      *used = at;
      return outcome;
    }
  }
  *used = at;
  return Outcome::kNeedMore;
}

ChunkDecoder::Outcome ChunkDecoder::Step(char c, std::size_t max_body_bytes,
                                         std::size_t body_bytes) {
  switch (state_) {
    case State::kSizeStart:
    case State::kSize: {
      const int digit = HexDigit(c);
      if (digit >= 0) {
        if (remaining_ >= kMaxSizeBeforeShift) return Fail(413, "chunk size too large");
        remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
        if (remaining_ > max_body_bytes - std::min(max_body_bytes, body_bytes)) {
          return Fail(413, "body larger than --max-body-size");
        }
        state_ = State::kSize;
        return Outcome::kNeedMore;
      }
      if (state_ == State::kSizeStart) return Fail(400, "chunk size must be hexadecimal digits");
      if (c == '\r') {
        state_ = State::kSizeNewline;
      } else if (c == ';') {
        state_ = State::kExtension;
      } else {
        return Fail(400, "chunk size must be hexadecimal digits");
      }
      return Outcome::kNeedMore;
    }
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeNewline;
      } else if (!IsFieldValueChar(c)) {
        return Fail(400, "control byte in a chunk extension");
      } else if (++extension_bytes_ > kMaxExtensionBytes) {
        return Fail(400, "chunk extension larger than 256 bytes");
      }
      return Outcome::kNeedMore;
    case State::kSizeNewline:
      if (c != '\n') return Fail(400, "chunk size line must end with CRLF");
      extension_bytes_ = 0;
      state_ = remaining_ == 0 ? State::kTrailerStart : State::kData;
      return Outcome::kNeedMore;
    case State::kDataReturn:
      if (c != '\r') return Fail(400, "chunk longer than its size");
      state_ = State::kDataNewline;
      return Outcome::kNeedMore;
    case State::kDataNewline:
      if (c != '\n') return Fail(400, "chunk must end with CRLF");
      state_ = State::kSizeStart;
      return Outcome::kNeedMore;
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kEndNewline;
        return Outcome::kNeedMore;
      }
      if (!IsTokenChar(c)) return Fail(400, "malformed trailer");
      state_ = State::kTrailerName;
      [[fallthrough]];
    case State::kTrailerName:
    case State::kTrailerValue:
      if (++trailer_bytes_ > kMaxTrailerBytes) return Fail(431, "trailers larger than 16KiB");
      if (state_ == State::kTrailerName) {
        if (c == ':') {
          state_ = State::kTrailerValue;
        } else if (!IsTokenChar(c)) {
          return Fail(400, "malformed trailer");
        }
      } else if (c == '\r') {
        state_ = State::kTrailerNewline;
      } else if (!IsFieldValueChar(c)) {
        return Fail(400, "control byte in a trailer");
      }
      return Outcome::kNeedMore;
    case State::kTrailerNewline:
      if (c != '\n') return Fail(400, "trailer must end with CRLF");
      state_ = State::kTrailerStart;
      return Outcome::kNeedMore;
    case State::kEndNewline:
      if (c != '\n') return Fail(400, "chunked body must end with CRLF");
      return Outcome::kDone;
    case State::kData:
      break;  // read in bulk by Decode
  }
  return Fail(400, "malformed chunked body");
}

}  // namespace rivulet
