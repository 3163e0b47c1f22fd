#include "simplequeue/batch.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using rivulet::ForEachRecord;
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
