// What is made of a source's lines.
#include "bridge/line_splitter.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

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

}  // namespace
}  // namespace rivulet
