#include "simplequeue/batch.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using rivulet::ForEachRecord;
using rivulet::ParseFrames;
using Records = std::vector<std::string>;

namespace {

Records Cut(std::string_view body, std::string_view separator) {
  Records out;
  ForEachRecord(body, separator, [&out](std::string_view r) { out.emplace_back(r); });
  return out;
}

}  // namespace

TEST_CASE("batch: records are cut at the separator, empty ones skipped") {
  CHECK(Cut("a\nb\nc", "\n") == Records{"a", "b", "c"});
  CHECK(Cut("a\nb\n", "\n") == Records{"a", "b"});
  CHECK(Cut("\n\na\n\n\nb\n\n", "\n") == Records{"a", "b"});
  CHECK(Cut("\n", "\n").empty());
  CHECK(Cut("", "\n").empty());
  CHECK(Cut("a|b\nc|d", "|") == Records{"a", "b\nc", "d"});
  CHECK(Cut("a::b:c::d", "::") == Records{"a", "b:c", "d"});
  CHECK(Cut("a:", "::") == Records{"a:"});
  CHECK(Cut("ab", "bc") == Records{"ab"});
  CHECK(Cut("a\r\nb\r\n", "\n") == Records{"a\r", "b\r"});
  CHECK(Cut(std::string_view("a\0b\nc", 5), "\n") == Records{std::string("a\0b", 3), "c"});
}

TEST_CASE("batch: frames carry any bytes") {
  const auto frames = ParseFrames(std::string_view("3\na\nb\n0\n\n2\n\0\n\n", 14));
  REQUIRE(frames.ok());
  REQUIRE(frames->size() == 2);
  CHECK((*frames)[0] == "a\nb");
  CHECK((*frames)[1] == std::string_view("\0\n", 2));
  CHECK(ParseFrames("").ok());
}

TEST_CASE("batch: one wrong frame refuses all and names its byte") {
  for (const char* wrong : {"3\nab\n", "3\nabcd\n", "x\nabc\n", "-1\na\n", "3", "3\nabc",
                            "18446744073709551615\na\n", "\na\n"}) {
    INFO(wrong);
    CHECK_FALSE(ParseFrames(wrong).ok());
  }
  CHECK(ParseFrames("1\na\n2\nb\n").status().message() ==
        "framed batch, byte 4: the body is shorter than its size says");
}
