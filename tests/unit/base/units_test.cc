#include "base/units.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace rivulet;
using namespace std::chrono_literals;

TEST_CASE("units: durations as people write them") {
  struct Row {
    const char* text;
    Duration expected;
  };
  for (const Row& row : std::vector<Row>{{"10", 10s},
                                         {"0", 0s},
                                         {"10s", 10s},
                                         {"250ms", 250ms},
                                         {"5m", 5min},
                                         {"1h", 1h},
                                         {"2d", 48h},
                                         {"1.5s", 1500ms},
                                         {"0.25", 250ms},
                                         {"1.5h", 90min},
                                         {"7us", 7us},
                                         {"9ns", 9ns},
                                         {"0.000000001s", 1ns},
                                         {"0.999999999d", 86399999913600ns},
                                         {"9223372036s", 9223372036s},
                                         {"007s", 7s}}) {
    CAPTURE(row.text);
    const auto parsed = ParseDuration(row.text);
    REQUIRE(parsed.ok());
    CHECK(parsed.value().count() == row.expected.count());
  }
}

TEST_CASE("units: what is no duration is refused") {
  for (const char* text : {"",
                           "s",
                           "-1",
                           "-1s",
                           "+1",
                           "1 s",
                           " 1",
                           "1s ",
                           "1x",
                           "1S",
                           "1.s",
                           ".5s",
                           "1..5",
                           "1.5.5",
                           "1e3",
                           "nan",
                           "9223372037s",
                           "106752d",
                           "99999999999999999999",
                           "9223372036.9s",
                           "0.0000000001s",
                           "5minutes"}) {
    CAPTURE(text);
    const auto parsed = ParseDuration(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.status().message() == "must be a duration such as 10s, 250ms, 5m, 1h or 2d");
  }
}

TEST_CASE("units: byte counts as people write them") {
  struct Row {
    const char* text;
    std::uint64_t expected;
  };
  for (const Row& row : std::vector<Row>{{"0", 0},
                                         {"512", 512},
                                         {"512B", 512},
                                         {"64KiB", 65536},
                                         {"1MiB", 1048576},
                                         {"2GiB", 2147483648},
                                         {"1TiB", 1099511627776},
                                         {"1kB", 1000},
                                         {"1KB", 1000},
                                         {"10MB", 10000000},
                                         {"3GB", 3000000000},
                                         {"1.5KiB", 1536},
                                         {"0.5MiB", 524288},
                                         {"18446744073709551615", 18446744073709551615U}}) {
    CAPTURE(row.text);
    const auto parsed = ParseByteCount(row.text);
    REQUIRE(parsed.ok());
    CHECK(parsed.value() == row.expected);
  }
}

TEST_CASE("units: what is no byte count is refused") {
  for (const char* text : {"", "KiB", "-1", "1 KiB", "1kib", "1K", "1XB", "1e6", "0x10",
                           "18446744073709551616", "16777216TiB", "1.B"}) {
    CAPTURE(text);
    const auto parsed = ParseByteCount(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.status().message() == "must be a size such as 64KiB, 1MiB, 2GiB or 4096");
  }
}

TEST_CASE("units: whole numbers are digits alone and fit 64 bits") {
  CHECK(ParseUint("0").value() == 0);
  CHECK(ParseUint("18446744073709551615").value() == 18446744073709551615U);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "abc", "1e3"}) {
    CAPTURE(text);
    REQUIRE_FALSE(ParseUint(text).ok());
    CHECK(ParseUint(text).status().message() == "must be a whole number");
  }
  CHECK(ParseUint("18446744073709551616").status().message() ==
        "must be at most 18446744073709551615");
  CHECK_FALSE(ParseUint(std::string_view("1\0", 2)).ok());
}

TEST_CASE("units: numbers are whole texts and finite") {
  CHECK(ParseDouble("0.1").value() == 0.1);
  CHECK(ParseDouble("-2.5e3").value() == -2500);
  CHECK(ParseDouble("1e308").value() == 1e308);
  for (const char* text : {"", "inf", "-inf", "nan", "1e999", "1,5", "1.5x", " 1", "+1", "0x1p3"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseDouble(text).ok());
  }
}

TEST_CASE("units: a formatted duration is short, exact and reads back") {
  struct Row {
    Duration duration;
    const char* expected;
  };
  for (const Row& row : std::vector<Row>{{0s, "0s"},
                                         {250ms, "250ms"},
                                         {90s, "90s"},
                                         {5min, "5m"},
                                         {1h, "1h"},
                                         {12h, "12h"},
                                         {48h, "2d"},
                                         {1500ms, "1500ms"},
                                         {1001us, "1001us"},
                                         {1ns, "1ns"}}) {
    CAPTURE(row.expected);
    CHECK(FormatDuration(row.duration) == row.expected);
    CHECK(ParseDuration(row.expected).value().count() == row.duration.count());
  }
  CHECK(ParseDuration(FormatDuration(Duration::max())).value() == Duration::max());
}

TEST_CASE("units: a formatted byte count is short, exact and reads back") {
  struct Row {
    std::uint64_t bytes;
    const char* expected;
  };
  for (const Row& row : std::vector<Row>{{0, "0"},
                                         {1000, "1000"},
                                         {1023, "1023"},
                                         {1024, "1KiB"},
                                         {65536, "64KiB"},
                                         {67108864, "64MiB"},
                                         {52428800, "50MiB"},
                                         {1ULL << 40, "1TiB"},
                                         {1536, "1536"}}) {
    CAPTURE(row.expected);
    CHECK(FormatByteCount(row.bytes) == row.expected);
    CHECK(ParseByteCount(row.expected).value() == row.bytes);
  }
}
