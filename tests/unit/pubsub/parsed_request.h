// A request as a handler gets it, from its head as text: for tests of parameters.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "http/request.h"
#include "http/request_parser.h"

namespace rivulet {

class ParsedRequest {
 public:
  /// `line`: "GET /sub?topic=a"; `fields`: whole lines, "Accept: x\r\n".
  explicit ParsedRequest(const std::string& line, const std::string& fields = "")
      : text_(line + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n") {
    REQUIRE(parser_.Parse(text_) == RequestParser::Outcome::kDone);
  }

  Request request() const { return {parser_.head(), text_.data(), "/", "", "127.0.0.1:1"}; }

 private:
  std::string text_;
  RequestParser parser_;
};

inline constexpr char kUpgradeFields[] =
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

}  // namespace rivulet
