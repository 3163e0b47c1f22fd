#include "bridge/line_cutter.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace rivulet;
using Found = LineCutter::Found;

namespace {

struct Seen {
  std::vector<std::string> lines;  // "<too long>" for those
  std::vector<std::uint64_t> offsets;
  std::uint64_t empty = 0;
};

void Drain(LineCutter* cutter, Seen* seen) {
  std::string_view line;
  for (auto found = cutter->Next(&line); found != Found::kNothing; found = cutter->Next(&line)) {
    seen->lines.push_back(found == Found::kLine ? std::string(line) : "<too long>");
    seen->offsets.push_back(cutter->offset());
  }
}

Seen Cut(std::string_view text, std::size_t first, std::size_t step, std::size_t max = 100) {
  LineCutter cutter(max);
  Seen seen;
  for (std::size_t at = 0, next = first; at < text.size(); at += next, next = step) {
    // A copy that dies, so that a view kept too long shows under the sanitizers.
    const std::string piece(text.substr(at, next));
    cutter.Give(piece);
    Drain(&cutter, &seen);
  }
  std::string_view line;
  const auto found = cutter.End(&line);
  if (found == Found::kLine) seen.lines.emplace_back(line);
  if (found == Found::kTooLong) seen.lines.emplace_back("<too long>");
  if (found != Found::kNothing) seen.offsets.push_back(cutter.offset());
  seen.empty = cutter.empty_lines();
  return seen;
}

using Lines = std::vector<std::string>;
using Offsets = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("line cutter: every cut of the bytes gives the same lines, offsets and empty lines") {
  const std::string text("one\n\ntwo\r\n\nth\0ree\nx\nlast", 24);
  for (std::size_t cut = 1; cut <= text.size(); ++cut) {
    for (const std::size_t step : {std::size_t{1}, text.size()}) {
      const Seen seen = Cut(text, cut, step);
      REQUIRE(seen.lines == Lines{"one", "two\r", std::string("th\0ree", 6), "x", "last"});
      REQUIRE(seen.offsets == Offsets{4, 10, 18, 20, 24});
      REQUIRE(seen.empty == 2);
    }
  }
}

TEST_CASE(
    "lines: a line of just the size is taken, a longer one is passed over wherever it is cut") {
  const std::string text = "12345\n123456\nnext\n123456789";
  for (std::size_t cut = 1; cut <= text.size(); ++cut) {
    for (const std::size_t step : {std::size_t{1}, text.size()}) {
      const Seen seen = Cut(text, cut, step, 5);
      REQUIRE(seen.lines == Lines{"12345", "<too long>", "next", "<too long>"});
      REQUIRE(seen.offsets == Offsets{6, 13, 18, 27});
    }
  }
}

TEST_CASE("line cutter: the size of a line that is too long is known") {
  LineCutter cutter(3);
  std::string_view line;
  cutter.Give("12345678\n");
  CHECK(cutter.Next(&line) == Found::kTooLong);
  CHECK(cutter.too_long_bytes() == 8);
}

TEST_CASE("line cutter: offsets go on where the file was resumed") {
  LineCutter cutter(100, 1000);
  std::string_view line;
  cutter.Give("abc\n");
  CHECK(cutter.Next(&line) == Found::kLine);
  CHECK(cutter.offset() == 1004);
}

TEST_CASE("line cutter: nothing has no lines, and a newline is one empty line") {
  CHECK(Cut("", 1, 1).lines.empty());
  CHECK(Cut("\n", 1, 1).lines.empty());
  CHECK(Cut("\n", 1, 1).empty == 1);
}
