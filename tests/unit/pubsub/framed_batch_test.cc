#include "pubsub/framed_batch.h"

#include <doctest/doctest.h>

#include <string>

namespace rivulet {
namespace {

using Messages = std::vector<std::string_view>;

TEST_CASE("framed batch: messages hold any bytes, newlines and none at all") {
  CHECK(*ParseFramedBatch("") == Messages{});
  CHECK(*ParseFramedBatch("5\nhello\n") == Messages{"hello"});
  CHECK(*ParseFramedBatch("3\na\nb\n0\n\n1\n\n\n") == Messages{"a\nb", "", "\n"});
  CHECK(*ParseFramedBatch(std::string_view("3\nx\0y\n", 6)) ==
        Messages{std::string_view("x\0y", 3)});
}

TEST_CASE("framed batch: a malformed one is refused whole") {
  for (const char* body :
       {"hello", "5", "5\n", "5\nhell", "5\nhello", "5\nhelloX", "5\nhell\n", "4\nhello\n",
        "-1\n\n", "+1\na\n", " 1\na\n", "1 \na\n", "0x1\na\n", "\n", "1\na\n2\nb\n",
        "99999999999999999999999\na\n", "18446744073709551615\na\n", "1\r\na\n"}) {
    CAPTURE(body);
    const auto parsed = ParseFramedBatch(body);
    CHECK_FALSE(parsed.ok());
    CHECK(parsed.status().code() == StatusCode::kInvalidArgument);
  }
}

TEST_CASE("framed batch: the error says at which byte") {
  CHECK(ParseFramedBatch("1\na\nx\n").status().message() ==
        "format=framed: at byte 4 there must be a line with a message's number of bytes");
  CHECK(ParseFramedBatch("1\na\n2\nb\n").status().message() ==
        "format=framed: at byte 6 there must be 2 bytes and a newline");
}

}  // namespace
}  // namespace rivulet
