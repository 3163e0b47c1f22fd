// What ps_to_http makes of the source's bytes and of URLs.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "ps_to_http/line_splitter.h"
#include "ps_to_http/url.h"

namespace rivulet {
namespace {

struct Collected {
  std::vector<std::string> messages;
  int too_long = 0;
  void OnMessage(std::string_view message) { messages.emplace_back(message); }
  void OnTooLong() { ++too_long; }
};

using Messages = std::vector<std::string>;

TEST_CASE("line splitter: messages are the same wherever the stream is cut") {
  const std::string stream("\r\nfirst\n\n\nnul\0tail\ncr\r\n\r\nx\nlast", 31);
  const Messages expected = {"first", std::string("nul\0tail", 8), "cr\r", "\r", "x", "last"};
  REQUIRE(stream.substr(27) == "last");
  for (std::size_t a = 0; a <= stream.size(); ++a) {
    for (std::size_t b = a; b <= stream.size(); ++b) {
      LineSplitter splitter(100);
      Collected got;
      splitter.Feed(std::string_view(stream).substr(0, a), got);
      splitter.Feed(std::string_view(stream).substr(a, b - a), got);
      splitter.Feed(std::string_view(stream).substr(b), got);
      splitter.Finish(got);
      REQUIRE(got.messages == expected);
    }
  }
}

TEST_CASE("line splitter: an unfinished line is lost when the connection is") {
  LineSplitter splitter(100);
  Collected got;
  splitter.Feed("one\ntw", got);
  CHECK(splitter.Reset());
  splitter.Feed("\r\nthree\n", got);
  CHECK(got.messages == Messages{"one", "three"});
  CHECK_FALSE(splitter.Reset());
}

TEST_CASE("line splitter: a line that is too long is passed over once, the next is not") {
  for (std::size_t piece = 1; piece < 20; ++piece) {
    CAPTURE(piece);
    LineSplitter splitter(4);
    Collected got;
    const std::string stream = "abcd\nabcde\nabcdefghijkl\nok\n";
    for (std::size_t i = 0; i < stream.size(); i += piece) {
      splitter.Feed(std::string_view(stream).substr(i, piece), got);
    }
    CHECK(got.messages == Messages{"abcd", "ok"});
    CHECK(got.too_long == 2);
  }
}

TEST_CASE("percent encoding: passes the original's characters and no other byte") {
  // Note 35 of the recorded answers: !$'()*,-./0-9:=@A-Z_a-z~
  const std::string safe =
      "!$'()*,-./0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    std::string encoded;
    AppendPercentEncoded(&encoded, one);
    if (safe.find(one) != std::string::npos) {
      CHECK(encoded == one);
    } else {
      char expected[4];
      std::snprintf(expected, sizeof expected, "%%%02X", static_cast<unsigned>(byte));
      CHECK(encoded == expected);
    }
  }
  // Case 234.
  std::string encoded;
  AppendPercentEncoded(&encoded, "a b&c=d+e%");
  CHECK(encoded == "a%20b%26c=d%2Be%25");
}

TEST_CASE("destination URL: one %s after the host is the message, any other % is text") {
  CHECK(ParseGetUrl("http://h/put?a=%20%d&data=%s&b=%")->For("x y") ==
        "http://h/put?a=%20%d&data=x%20y&b=%");
  CHECK(ParseGetUrl("http://h:80/%s")->For("%s") == "http://h:80/%25s");
  for (const char* bad : {"http://h/put?data=", "http://h/%s%s", "http://h%s/", "http://%s", "%s",
                          "ftp://h/%s", "http:///%s", "http://h/ %s", ""}) {
    CAPTURE(bad);
    CHECK_FALSE(ParseGetUrl(bad).ok());
  }
}

TEST_CASE("source URL: /sub and multipart=0 are added where they are missing") {
  CHECK(*SourceUrl("http://h:1") == "http://h:1/sub?multipart=0");
  CHECK(*SourceUrl("http://h:1/") == "http://h:1/sub?multipart=0");
  CHECK(*SourceUrl("http://h:1?topic=a") == "http://h:1/sub?topic=a&multipart=0");
  CHECK(*SourceUrl("http://h:1/sub?multipart=0") == "http://h:1/sub?multipart=0");
  CHECK(*SourceUrl("http://h/x/sub?topic=a&multipart=0&b=c") ==
        "http://h/x/sub?topic=a&multipart=0&b=c");
  CHECK(*SourceUrl("https://h/sub?xmultipart=1") == "https://h/sub?xmultipart=1&multipart=0");
  CHECK_FALSE(SourceUrl("http://h/sub?multipart=1").ok());
  CHECK_FALSE(SourceUrl("h:8080/sub").ok());
  CHECK_FALSE(SourceUrl("http://").ok());
}

}  // namespace
}  // namespace rivulet
