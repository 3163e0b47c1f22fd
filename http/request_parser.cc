#include "http/request_parser.h"

#include <cstring>

#include "http/syntax.h"

namespace rivulet {

namespace {

// RFC 9112 2.2 lets a server ignore blank lines before a request; a client that sends more than a
// few is not one.
constexpr std::uint8_t kMaxBlankLines = 4;

HeadSpan Span(std::size_t begin, std::size_t end) {
  return {static_cast<std::uint16_t>(begin), static_cast<std::uint16_t>(end - begin)};
}

}  // namespace

void RequestParser::Reset() {
  position_ = 0;
  scanned_ = 0;
  started_ = false;
  have_request_line_ = false;
  have_host_ = false;
  coded_ = false;
  close_token_ = false;
  keep_alive_token_ = false;
  blank_lines_ = 0;
  head_.method = Method::kUnknown;
  head_.chunked = false;
  head_.has_length = false;
  head_.expect_continue = false;
  head_.content_length = 0;
  head_.field_count = 0;
}

bool RequestParser::Fail(int status, const char* reason) {
  error_status_ = status;
  error_reason_ = reason;
  return false;
}

RequestParser::Outcome RequestParser::Parse(std::string_view data) {
  const char* base = data.data();
  const std::size_t limit = data.size() < kMaxHeadBytes ? data.size() : kMaxHeadBytes;
  while (scanned_ < limit) {
    const void* found = std::memchr(base + scanned_, '\n', limit - scanned_);
    if (found == nullptr) {
      scanned_ = limit;
      break;
    }
    const auto newline = static_cast<std::size_t>(static_cast<const char*>(found) - base);
    if (newline == position_ || base[newline - 1] != '\r') {
      Fail(400, "bare LF: lines end with CRLF");
      return Outcome::kError;
    }
    const std::size_t begin = position_;
    const std::size_t end = newline - 1;
    position_ = newline + 1;
    scanned_ = position_;
    if (begin == end) {
      if (have_request_line_) return Finish() ? Outcome::kDone : Outcome::kError;
      if (++blank_lines_ > kMaxBlankLines) {
        Fail(400, "blank lines where a request line should be");
        return Outcome::kError;
      }
      continue;
    }
    started_ = true;
    const bool good =
        have_request_line_ ? ParseFieldLine(base, begin, end) : ParseRequestLine(base, begin, end);
    if (!good) return Outcome::kError;
  }
  if (limit == kMaxHeadBytes) {
    Fail(have_request_line_ ? 431 : 414, "request head larger than 16KiB");
    return Outcome::kError;
  }
  if (position_ < limit) started_ = true;
  return Outcome::kNeedMore;
}

bool RequestParser::ParseRequestLine(const char* base, std::size_t begin, std::size_t end) {
  std::size_t at = begin;
  while (at < end && IsTokenChar(base[at])) ++at;
  if (at == begin || at == end || base[at] != ' ') return Fail(400, "malformed request line");
  head_.method = ParseMethod({base + begin, at - begin});

  const std::size_t target = ++at;
  while (at < end && IsTargetChar(base[at])) ++at;
  if (at == target || at == end || base[at] != ' ') return Fail(400, "malformed request target");
  const std::size_t target_end = at++;

  const std::string_view version(base + at, end - at);
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || !IsDigit(version[5]) ||
      version[6] != '.' || !IsDigit(version[7])) {
    return Fail(400, "malformed HTTP version");
  }
  if (version[5] != '1') return Fail(505, "HTTP/1.1 and HTTP/1.0 are spoken here");
  head_.http11 = version[7] != '0';
  have_request_line_ = true;
  // CONNECT and TRACE have targets of their own; all unknown methods end here alike.
  if (head_.method == Method::kUnknown) return Fail(501, "method not implemented");
  return ParseTarget(base, target, target_end);
}

bool RequestParser::ParseTarget(const char* base, std::size_t begin, std::size_t end) {
  const std::string_view target(base + begin, end - begin);
  if (target == "*") {
    if (head_.method != Method::kOptions) return Fail(400, "target * is for OPTIONS alone");
    head_.path = Span(begin, end);
    head_.query = Span(end, end);
    return true;
  }
  if (target[0] != '/') {
    // absolute-form, RFC 9112 3.2.2: the authority is read over, as Host is required anyway.
    const std::size_t scheme = EqualsIgnoreCase(target.substr(0, 7), "http://")    ? 7
                               : EqualsIgnoreCase(target.substr(0, 8), "https://") ? 8
                                                                                   : 0;
    if (scheme == 0) return Fail(400, "request target must start with / or http://");
    const std::size_t authority_end = target.find_first_of("/?", scheme);
    const std::string_view authority = target.substr(scheme, authority_end - scheme);
    if (authority.empty() || !IsHostAndPort(authority))
      return Fail(400, "malformed host in target");
    if (authority_end == std::string_view::npos || target[authority_end] == '?') {
      // "http://host" means the path "/"; the scheme's second slash stands in for it.
      head_.path = Span(begin + scheme - 1, begin + scheme);
      const bool has_query = authority_end != std::string_view::npos;
      head_.query = has_query ? Span(begin + authority_end + 1, end) : Span(end, end);
      return true;
    }
    begin += authority_end;
  }
  const void* mark = std::memchr(base + begin, '?', end - begin);
  if (mark == nullptr) {
    head_.path = Span(begin, end);
    head_.query = Span(end, end);
  } else {
    const auto question = static_cast<std::size_t>(static_cast<const char*>(mark) - base);
    head_.path = Span(begin, question);
    head_.query = Span(question + 1, end);
  }
  return true;
}

bool RequestParser::ParseFieldLine(const char* base, std::size_t begin, std::size_t end) {
  if (base[begin] == ' ' || base[begin] == '\t') return Fail(400, "folded header line");
  std::size_t at = begin;
  while (at < end && IsTokenChar(base[at])) ++at;
  if (at == begin || at == end || base[at] != ':') return Fail(400, "malformed header name");
  if (head_.field_count == kMaxFields) return Fail(431, "more than 100 header fields");
  const std::size_t name_end = at++;

  std::size_t value_begin = at;
  while (value_begin < end && IsBlank(base[value_begin])) ++value_begin;
  std::size_t value_end = end;
  while (value_end > value_begin && IsBlank(base[value_end - 1])) --value_end;
  for (std::size_t i = value_begin; i < value_end; ++i) {
    if (!IsFieldValueChar(base[i])) return Fail(400, "control byte in a header value");
  }
  HeadField& field = head_.fields[head_.field_count++];
  field.name = Span(begin, name_end);
  field.value = Span(value_begin, value_end);
  return ApplyField(field.name.In(base), field.value.In(base));
}

bool RequestParser::ApplyField(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 4:
      if (EqualsIgnoreCase(name, "host")) return ApplyHost(value);
      return true;
    case 6:
      if (EqualsIgnoreCase(name, "expect")) {
        if (!EqualsIgnoreCase(value, "100-continue"))
          return Fail(417, "only 100-continue is expected");
        head_.expect_continue = true;
      }
      return true;
    case 10:
      if (EqualsIgnoreCase(name, "connection")) ApplyConnection(value);
      return true;
    case 14:
      if (EqualsIgnoreCase(name, "content-length")) return ApplyContentLength(value);
      return true;
    case 16:
      if (EqualsIgnoreCase(name, "content-encoding")) {
        coded_ = coded_ || !(value.empty() || EqualsIgnoreCase(value, "identity"));
      }
      return true;
    case 17:
      if (EqualsIgnoreCase(name, "transfer-encoding")) return ApplyTransferEncoding(value);
      return true;
    default:
      return true;
  }
}

bool RequestParser::ApplyHost(std::string_view value) {
  if (have_host_) return Fail(400, "more than one Host");
  if (!IsHostAndPort(value)) return Fail(400, "malformed Host");
  have_host_ = true;
  return true;
}

bool RequestParser::ApplyContentLength(std::string_view value) {
  if (head_.has_length) return Fail(400, "more than one Content-Length");
  if (value.empty()) return Fail(400, "empty Content-Length");
  std::uint64_t length = 0;
  for (const char c : value) {
    if (!IsDigit(c)) return Fail(400, "Content-Length must be decimal digits");
    if (length > (UINT64_MAX - 9) / 10) return Fail(413, "Content-Length too large");
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  head_.content_length = length;
  head_.has_length = true;
  return true;
}

bool RequestParser::ApplyTransferEncoding(std::string_view value) {
  if (head_.chunked) return Fail(400, "more than one Transfer-Encoding");
  if (!EqualsIgnoreCase(value, "chunked")) return Fail(501, "Transfer-Encoding must be chunked");
  head_.chunked = true;
  return true;
}

void RequestParser::ApplyConnection(std::string_view value) {
  close_token_ = close_token_ || ListsToken(value, "close");
  keep_alive_token_ = keep_alive_token_ || ListsToken(value, "keep-alive");
}

bool RequestParser::Finish() {
  if (head_.http11 && !have_host_) return Fail(400, "Host is required");
  if (head_.chunked && head_.has_length) {
    return Fail(400, "Content-Length beside Transfer-Encoding");
  }
  if (head_.chunked && !head_.http11) return Fail(400, "Transfer-Encoding needs HTTP/1.1");
  if (coded_ && (head_.chunked || head_.content_length > 0)) {
    return Fail(415, "Content-Encoding must be identity: bodies are taken as they are");
  }
  head_.keep_alive = head_.http11 ? !close_token_ : keep_alive_token_ && !close_token_;
  if (!head_.http11) head_.expect_continue = false;  // RFC 9110 10.1.1
  return true;
}

}  // namespace rivulet
