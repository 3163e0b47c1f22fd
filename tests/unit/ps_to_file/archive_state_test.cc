#include "ps_to_file/archive_state.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/journal/support.h"

namespace rivulet {
namespace {

using journal_test::TempFolder;
using journal_test::WriteFile;

const std::string kText =
    "rivulet archive 1\n"
    "made gzip lines\n"
    "position 1234 http://h:1/sub?topic=a&x=%25\n"
    "part 56 0 a/x%20y.gz a/x%20y.gz a/%7F\n"
    "due 18446744073709551615 7 b%0A%25.7.gz b%0A%25.gz b%C3%A9\n"
    "end\n";

TEST_CASE("archive state: it is read as it is written, whatever is in names") {
  const auto state = ParseArchiveState(kText);
  REQUIRE(state.ok());
  CHECK(state->made == "gzip lines");
  REQUIRE(state->positions.size() == 1);
  CHECK(state->positions[0].first == "http://h:1/sub?topic=a&x=%");
  CHECK(state->positions[0].second == 1234);
  REQUIRE(state->parts.size() == 2);
  CHECK(state->parts[0].name == "a/x y.gz");
  CHECK(state->parts[0].path() == "a/x y.gz.part");
  CHECK(state->parts[0].time_key == "a/\x7f");
  CHECK(state->parts[0].bytes == 56);
  CHECK_FALSE(state->parts[0].due);
  CHECK(state->parts[1].name == "b\n%.7.gz");
  CHECK(state->parts[1].base == "b\n%.gz");
  CHECK(state->parts[1].time_key == "b\xc3\xa9");
  CHECK(state->parts[1].bytes == UINT64_MAX);
  CHECK(state->parts[1].number == 7);
  CHECK(state->parts[1].due);
  CHECK(FormatArchiveState(*state) == kText);
}

TEST_CASE("archive state: a part of it is none") {
  for (std::size_t size = 0; size < kText.size(); ++size) {
    CAPTURE(size);
    CHECK(ParseArchiveState(std::string_view(kText).substr(0, size)).status().code() ==
          StatusCode::kCorrupt);
  }
  for (const std::string line : {"x 1 2", "part 1 2 3", "part x 0 a a a", "due 1 x a a a",
                                 "part 1 0 %4 a a", "part 1 0 a a a a", "position 1", ""}) {
    CAPTURE(line);
    CHECK_FALSE(ParseArchiveState("rivulet archive 1\n" + line + "\nend\n").ok());
  }
  CHECK_FALSE(ParseArchiveState(kText + "more\n").ok());
  CHECK_FALSE(ParseArchiveState("rivulet archive 2\nend\n").ok());
}

TEST_CASE("archive state: no file is an empty state, another file is refused by its name") {
  const TempFolder folder;
  const auto none = ReadArchiveState(folder.File("state"));
  REQUIRE(none.ok());
  CHECK(none->parts.empty());
  WriteFile(folder.File("state"), "notes\n");
  const auto wrong = ReadArchiveState(folder.File("state"));
  CHECK(wrong.status().code() == StatusCode::kCorrupt);
  CHECK(wrong.status().message().find("--state-file=" + folder.File("state")) == 0);
}

}  // namespace
}  // namespace rivulet
