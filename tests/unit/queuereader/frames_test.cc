#include "queuereader/frames.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using rivulet::CutFrames;
using rivulet::CutLines;
using rivulet::Delivery;
using rivulet::LooksFramed;

namespace {

std::vector<std::string> Bodies(const std::string& text, const std::vector<Delivery>& cut) {
  std::vector<std::string> bodies;
  for (const Delivery& d : cut) bodies.push_back(text.substr(d.offset, d.size));
  return bodies;
}

}  // namespace

TEST_CASE("frames: bodies of any bytes are cut by their length") {
  std::string text("3\na\nb\n0\n\n4\n\0x\n\n\n", 16);
  std::vector<Delivery> cut;
  CHECK(CutFrames(text, 2, &cut) == text.size());
  CHECK(Bodies(text, cut) == std::vector<std::string>{"a\nb", "", std::string("\0x\n\n", 4)});
  CHECK(cut[0].origin == 2);
}

TEST_CASE("frames: an answer cut short anywhere gives its whole frames alone") {
  const std::string text = "5\nhello\n2\nhi\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    std::string cut_short = text.substr(0, size);
    std::vector<Delivery> cut;
    std::size_t whole = size < 8 ? 0 : 8;  // "5\nhello\n" is eight bytes
    CHECK(CutFrames(cut_short, 0, &cut) == whole);
    CHECK(cut.size() == (whole ? 1 : 0));
  }
}

TEST_CASE("frames: what is no frame is left") {
  for (const char* text : {"x", "-1\na\n", "+1\na\n", "1 \na\n", "2\nab", "1\nab\n", "\n",
                           "99999999999999999999999\na\n", "18446744073709551615\na\n"}) {
    CAPTURE(text);
    std::vector<Delivery> cut;
    CHECK(CutFrames(text, 0, &cut) == 0);
    CHECK(cut.empty());
  }
}

TEST_CASE("frames: lines of JSON do not look framed") {
  CHECK_FALSE(LooksFramed("{\"a\":1}\n{\"a\":2}\n"));
  CHECK(LooksFramed("7\n{\"a\":1}\n"));
}

TEST_CASE("frames: lines are cut with and without a last newline, empty ones skipped") {
  const std::vector<std::string> expected{"{\"a\":1}", "{\"a\":2}"};
  for (const char* text : {"{\"a\":1}\n{\"a\":2}", "{\"a\":1}\n\n{\"a\":2}\n"}) {
    std::vector<Delivery> cut;
    CutLines(text, 0, &cut);
    CHECK(Bodies(text, cut) == expected);
  }
}
