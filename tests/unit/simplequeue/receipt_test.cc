#include "simplequeue/receipt.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace rivulet {

namespace {

std::string Text(const Receipt& receipt) {
  std::string out;
  AppendReceipt(&out, receipt);
  return out;
}

}  // namespace

TEST_CASE("receipt: reads as its header says, and what is written reads back the same") {
  CHECK(Text({1, {42, 7}, 0x9f02c1ab}) == "1-42-7-9f02c1ab");
  CHECK(Text({2, {1, 1}, 0xab}) == "2-1-1-000000ab");
  const Receipt largest{UINT32_MAX, {UINT64_MAX, UINT32_MAX}, UINT32_MAX};
  CHECK(Text(largest) == "4294967295-18446744073709551615-4294967295-ffffffff");
  CHECK(Text(largest).size() == kMaxReceiptBytes);
  const auto read = ParseReceipt(Text(largest));
  REQUIRE(read);
  CHECK(read->queue == UINT32_MAX);
  CHECK(read->holding.id == UINT64_MAX);
  CHECK(read->holding.number == UINT32_MAX);
  CHECK(read->epoch == UINT32_MAX);
}

TEST_CASE("receipt: what is no receipt is refused, whatever it looks like") {
  const std::vector<std::string> wrong = {
      "",
      "garbage",
      "1",
      "1-42-7",
      "1-42-7-",
      "1-42-7-9f02c1a",
      "1-42-7-9f02c1abc",
      "1-42-7-9f02c1ab ",
      " 1-42-7-9f02c1ab",
      "1-42-7-9f02c1ag",
      "1-42-7-0x02c1ab",
      "1-42-7--f02c1ab",
      "-1-42-7-9f02c1ab",
      "+1-42-7-9f02c1ab",
      "1--42-7-9f02c1ab",
      "1-42--7-9f02c1ab",
      "1_42_7_9f02c1ab",
      "4294967296-42-7-9f02c1ab",
      "1-18446744073709551616-7-9f02c1ab",
      "1-42-4294967296-9f02c1ab",
      "1-42-7-9f02c1ab-1",
      std::string("1-42-7-9f02c1a\0", 15),
      std::string(1'000'000, '1'),
  };
  for (const std::string& text : wrong) {
    CAPTURE(text.substr(0, 80));
    CHECK_FALSE(ParseReceipt(text));
  }
}

TEST_CASE("receipt: one a line, by LF or CRLF, empty lines skipped, the last one may be open") {
  const auto lines = [](std::string_view text) {
    std::vector<std::string> found;
    ForEachReceiptLine(text, [&found](std::string_view line) {
      found.emplace_back(line);
      return line != "stop";
    });
    return found;
  };
  using Lines = std::vector<std::string>;
  CHECK(lines("").empty());
  CHECK(lines("\n\r\n\n").empty());
  CHECK(lines("a") == Lines{"a"});
  CHECK(lines("a\nb\r\n\r\nc\n") == Lines{"a", "b", "c"});
  CHECK(lines("\r\na\r") == Lines{"a"});
  CHECK(lines("a\nstop\nb") == Lines{"a", "stop"});
}

}  // namespace rivulet
