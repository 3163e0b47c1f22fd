#include "base/text.h"

#include <doctest/doctest.h>

using namespace rivulet;

TEST_CASE("text: lines are broken at spaces and never longer than asked") {
  CHECK(WrapText("one two three", 7) == std::vector<std::string>{"one two", "three"});
  CHECK(WrapText("one  two", 7) == std::vector<std::string>{"one two"});
  CHECK(WrapText("incomprehensible word", 8) ==
        std::vector<std::string>{"incomprehensible", "word"});
  CHECK(WrapText("", 7).empty());
}

TEST_CASE("text: no line starts with an option") {
  CHECK(WrapText("see also --help now", 9) ==
        std::vector<std::string>{"see", "also --help", "now"});
}

// Distances counted by hand.
TEST_CASE("text: edit distance counts insertions, deletions, substitutions and swaps") {
  CHECK(EditDistance("", "") == 0);
  CHECK(EditDistance("abc", "") == 3);
  CHECK(EditDistance("", "abc") == 3);
  CHECK(EditDistance("port", "port") == 0);
  CHECK(EditDistance("prot", "port") == 1);
  CHECK(EditDistance("por", "port") == 1);
  CHECK(EditDistance("ports", "port") == 1);
  CHECK(EditDistance("pork", "port") == 1);
  CHECK(EditDistance("kitten", "sitting") == 3);
}

TEST_CASE("text: the nearest name is the one that was probably meant") {
  const std::vector<std::string_view> names = {"port", "max-depth", "max-bytes", "log-format"};
  CHECK(NearestName("prot", names) == "port");
  CHECK(NearestName("max_depth", names) == "max-depth");
  CHECK(NearestName("maxdepth", names) == "max-depth");
  CHECK(NearestName("log", names) == "log-format");
  CHECK(NearestName("p", names).empty());
  CHECK(NearestName("colour", names).empty());
}
