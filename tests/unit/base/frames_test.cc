#include "base/frames.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"

using rivulet::ParseFrames;
using Messages = std::vector<std::string_view>;

TEST_CASE("frames: carry any bytes, newlines, NULs and none at all") {
  const std::string_view batch("3\na\nb\n0\n\n2\n\0\n\n", 14);
  const auto messages = ParseFrames(batch);
  REQUIRE(messages.ok());
  CHECK(*messages == Messages{"a\nb", "", std::string_view("\0\n", 2)});
  CHECK(ParseFrames("")->empty());
  std::string again;
  std::size_t bytes = 0;
  for (const std::string_view message : *messages) {
    rivulet::AppendFrame(&again, message);
    bytes += rivulet::FrameBytes(message);
  }
  CHECK(again == batch);
  CHECK(bytes == batch.size());
}

TEST_CASE("frames: one wrong frame refuses all and names its byte") {
  for (const char* wrong :
       {"3\nab\n", "3\nabcd\n", "x\nabc\n", "-1\na\n", "+1\na\n", " 1\na\n", "3", "3\nabc",
        "18446744073709551615\na\n", "99999999999999999999999\na\n", "\na\n", "\n"}) {
    INFO(wrong);
    CHECK_FALSE(ParseFrames(wrong).ok());
  }
  CHECK(ParseFrames("1\na\n2\nb\n").status().message().starts_with("format=framed: at byte 4 "));
}

TEST_CASE("frames: taken one by one, what is not whole stays") {
  std::string_view rest = "1\na\n10\nhalf";
  CHECK(rivulet::TakeFrame(&rest) == "a");
  CHECK_FALSE(rivulet::TakeFrame(&rest));
  CHECK(rest == "10\nhalf");
}

TEST_CASE("names: 1 to 64 plain characters") {
  CHECK(rivulet::IsName("a"));
  CHECK(rivulet::IsName("A-Z_a.z09"));
  CHECK(rivulet::IsName(std::string(64, 'x')));
  for (const std::string_view bad : {"", "a b", "a/b", "a,b", "*", "\xc3\xa9"}) {
    CHECK_FALSE(rivulet::IsName(bad));
  }
  CHECK_FALSE(rivulet::IsName(std::string(65, 'x')));
  CHECK_FALSE(rivulet::IsName(std::string_view("a\0", 2)));
}
