#include "http/request_parser.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using rivulet::Method;
using rivulet::RequestParser;
using Outcome = RequestParser::Outcome;

namespace {

// What a parse came to: 200 for a whole head, 0 for "more", else the error's status.
int ParseWhole(RequestParser* parser, const std::string& bytes) {
  switch (parser->Parse(bytes)) {
    case Outcome::kDone:
      return 200;
    case Outcome::kNeedMore:
      return 0;
    case Outcome::kError:
      return parser->error_status();
  }
  return -1;
}

int ParseWhole(const std::string& bytes) {
  RequestParser parser;
  return ParseWhole(&parser, bytes);
}

// The same bytes in two pieces.
int ParseCut(const std::string& bytes, std::size_t cut) {
  RequestParser parser;
  const int first = ParseWhole(&parser, bytes.substr(0, cut));
  return first != 0 ? first : ParseWhole(&parser, bytes);
}

std::string Get(const std::string& fields) {
  return "GET /x HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

struct Case {
  const char* what;
  std::string bytes;
  int status;
};

// RFC 9112 sections are named where they decide.
const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"a plain request", Get(""), 200},
      {"one blank line before (2.2)", "\r\n" + Get(""), 200},
      {"five blank lines before", "\r\n\r\n\r\n\r\n\r\n" + Get(""), 400},
      {"absolute form (3.2.2)", "GET http://h:80/x?y HTTP/1.1\r\nHost: h\r\n\r\n", 200},
      {"absolute form without a path", "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", 200},
      {"absolute form of another scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"user information in the target", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"asterisk form with OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 200},
      {"asterisk form with GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 200},
      {"HTTP/0.9", "GET /\r\n\r\n", 400},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"a version of three digits", "GET / HTTP/1.11\r\nHost: h\r\n\r\n", 400},
      {"a lower-case version", "GET / http/1.1\r\nHost: h\r\n\r\n", 400},
      {"a tab between the words", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"two spaces between the words", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"a byte above 0x7f in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"a bare CR in the target (2.2)", "GET /a\rb HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"bare LF line ends", "GET / HTTP/1.1\nHost: h\n\n", 400},
      {"an unknown method", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"a lower-case method (9110 9.1)", "get / HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 501},
      {"a control byte in the method", "G\x01T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"no Host (3.2)", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", Get("Host: h\r\n"), 400},
      {"a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
      {"a Host with user information", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400},
      {"a body in a content coding (9110 15.5.16)",
       Get("Content-Encoding: gzip\r\nContent-Length: 3\r\n"), 415},
      {"a chunked body in a content coding",
       Get("Transfer-Encoding: chunked\r\ncontent-encoding: zstd\r\n"), 415},
      {"two content codings in two fields",
       Get("Content-Encoding: identity\r\nContent-Encoding: br\r\nContent-Length: 3\r\n"), 415},
      {"two content codings in one field",
       Get("Content-Length: 3\r\nContent-Encoding: gzip, identity\r\n"), 415},
      {"a body as it is, said so", Get("Content-Encoding: Identity\r\nContent-Length: 3\r\n"), 200},
      {"an empty list of content codings", Get("Content-Encoding:\r\nContent-Length: 3\r\n"), 200},
      {"a content coding of no body", Get("Content-Encoding: gzip\r\n"), 200},
      {"an empty body in a content coding", Get("Content-Encoding: gzip\r\nContent-Length: 0\r\n"),
       200},
      {"an IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200},
      {"space before the colon (5.1)", Get("A : b\r\n"), 400},
      {"tab before the colon", Get("A\t: b\r\n"), 400},
      {"an empty name", Get(": b\r\n"), 400},
      {"a field without colon", Get("A\r\n"), 400},
      {"a folded line (5.2)", Get("A: b\r\n c\r\n"), 400},
      {"a NUL in a value", Get(std::string("A: b\0c\r\n", 8)), 400},
      {"an escape in a value", Get("A: \x1b[2J\r\n"), 400},
      {"a bare CR in a value", Get("A: b\rC: d\r\n"), 400},
      {"an empty value", Get("A:\r\n"), 200},
      {"blanks around a value", Get("A: \t b \t\r\n"), 200},
      {"a byte above 0x7f in a value", Get("A: \xe9\r\n"), 200},
      {"a byte above 0x7f in a name", Get("\xe9: a\r\n"), 400},
      {"a length with a sign (6.3)", Get("Content-Length: +5\r\n"), 400},
      {"a hexadecimal length", Get("Content-Length: 0x5\r\n"), 400},
      {"an empty length", Get("Content-Length:\r\n"), 400},
      {"a list of lengths", Get("Content-Length: 5, 5\r\n"), 400},
      {"two equal lengths", Get("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
      {"two unequal lengths", Get("Content-Length: 0\r\nContent-Length: 5\r\n"), 400},
      {"a length of 2^64 + 5", Get("Content-Length: 18446744073709551621\r\n"), 413},
      {"chunked in odd case", Get("tRANSFER-eNCODING: ChUnKeD\r\n"), 200},
      {"chunked beside a length (6.1)", Get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
       400},
      {"a length beside chunked", Get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"chunked twice", Get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"another coding", Get("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"an empty coding", Get("Transfer-Encoding:\r\n"), 501},
      {"chunked on HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"an unknown expectation", Get("Expect: tea\r\n"), 417},
      {"a head that never ends", "GET / HTTP/1.1\r\nA: " + std::string(17000, 'a'), 431},
      {"a request line that never ends", "GET /" + std::string(17000, 'a'), 414},
      {"binary noise", std::string("\x16\x03\x01\r\n", 5), 400},
      {"half a head", "GET / HTTP/1.1\r\nHo", 0},
      {"nothing", "", 0},
  };
  return cases;
}

}  // namespace

TEST_CASE("request parser: accepts and refuses as the RFC and our choices say") {
  for (const Case& c : Cases()) {
    INFO(c.what);
    CHECK(ParseWhole(c.bytes) == c.status);
  }
}

TEST_CASE("request parser: a cut at any byte changes nothing") {
  for (const Case& c : Cases()) {
    if (c.bytes.size() > 1000) continue;
    for (std::size_t cut = 0; cut <= c.bytes.size(); ++cut) {
      INFO(c.what << " cut at " << cut);
      CHECK(ParseCut(c.bytes, cut) == c.status);
    }
  }
}

TEST_CASE("request parser: a head that comes byte by byte is the same head") {
  const std::string bytes =
      "POST /put?queue=a HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nX: y\r\n\r\nbody";
  RequestParser parser;
  std::size_t given = 0;
  while (parser.Parse(std::string_view(bytes).substr(0, ++given)) == Outcome::kNeedMore) {
  }
  CHECK(given == bytes.size() - 4);
  CHECK(parser.head_bytes() == bytes.size() - 4);
  const auto& head = parser.head();
  CHECK(head.method == Method::kPost);
  CHECK(head.path.In(bytes.data()) == "/put");
  CHECK(head.query.In(bytes.data()) == "queue=a");
  CHECK(head.content_length == 12);
  CHECK(head.keep_alive);
  REQUIRE(head.field_count == 3);
  CHECK(head.fields[2].name.In(bytes.data()) == "X");
  CHECK(head.fields[2].value.In(bytes.data()) == "y");
}

TEST_CASE("request parser: exactly 100 fields pass and 101 do not") {
  std::string fields;
  for (int i = 0; i < 99; ++i) fields += "A: b\r\n";  // Host is the hundredth
  CHECK(ParseWhole(Get(fields)) == 200);
  CHECK(ParseWhole(Get(fields + "A: b\r\n")) == 431);
}

TEST_CASE("request parser: a target of 8000 bytes passes") {
  CHECK(ParseWhole("GET /" + std::string(7999, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n") == 200);
}

TEST_CASE("request parser: keep-alive follows version and Connection (9112 9.3)") {
  const auto keep_alive = [](const std::string& bytes) {
    RequestParser parser;
    REQUIRE(parser.Parse(bytes) == Outcome::kDone);
    return parser.head().keep_alive;
  };
  CHECK(keep_alive(Get("")));
  CHECK_FALSE(keep_alive(Get("Connection: close\r\n")));
  CHECK_FALSE(keep_alive(Get("Connection: TE, Close\r\n")));
  CHECK_FALSE(keep_alive("GET / HTTP/1.0\r\n\r\n"));
  CHECK(keep_alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST_CASE("request parser: the path of an absolute target without one is /") {
  const std::string bytes = "GET http://h?q=1 HTTP/1.1\r\nHost: h\r\n\r\n";
  RequestParser parser;
  REQUIRE(parser.Parse(bytes) == Outcome::kDone);
  CHECK(parser.head().path.In(bytes.data()) == "/");
  CHECK(parser.head().query.In(bytes.data()) == "q=1");
}
