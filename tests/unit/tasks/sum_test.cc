#include "tasks/sum.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/unit/tasks/support.h"

using rivulet::test::FakeMessage;
using rivulet::test::FakeSummary;
using rivulet::test::MakeTaskOf;
using rivulet::test::RunDone;

namespace {

/// {"x":NUMBER} as a reader would give it: a double, and the text with every digit.
FakeMessage Number(const std::string& digits) {
  FakeMessage message("{\"x\":" + digits + "}");
  message.With("x", std::stod(digits));
  return message;
}

FakeSummary SumOf(const std::vector<std::string>& numbers) {
  auto task = MakeTaskOf("sum:field=x");
  for (const auto& number : numbers) RunDone(*task, Number(number));
  return FakeSummary(*task);
}

}  // namespace

TEST_CASE("sum: of nothing it is nothing, and what is no number is skipped") {
  auto task = MakeTaskOf("sum:field=x");
  RunDone(*task, FakeMessage());
  RunDone(*task, FakeMessage().With("x", "1"));
  RunDone(*task, FakeMessage().With("y", 1));
  RunDone(*task, FakeMessage().With("x", std::numeric_limits<double>::infinity()));
  FakeSummary summary(*task);
  CHECK(summary.counts["count"] == 0);
  CHECK(summary.counts["skipped"] == 4);
  CHECK(summary.counts["sum"] == 0);
}

TEST_CASE("sum: integers are exact, also where a double is not") {
  // Exact by hand: 2^53 + 1 is no double; 2^64 - 1 is the greatest that counts hold.
  CHECK(SumOf({"9007199254740993", "2"}).counts["sum"] == 9007199254740995ULL);
  CHECK(SumOf({"18446744073709551615"}).counts["sum"] == 18446744073709551615ULL);
  CHECK(SumOf({"-9007199254740993", "9007199254740992", "2"}).counts["sum"] == 1);
  auto negative = SumOf({"-3", "1"});
  CHECK(negative.numbers["sum"] == -2);
  CHECK(negative.texts.empty());
}

TEST_CASE("sum: what no number holds is there as text, to 128 bits") {
  // 2^64 - 1, twice, less 1; 2^127 - 1; -2^127: Python's int has the digits.
  auto twice = SumOf({"18446744073709551615", "18446744073709551615", "-1"});
  CHECK(twice.texts["exact"] == "36893488147419103229");
  CHECK(twice.numbers["sum"] == 0x1p65);
  auto greatest = SumOf({"170141183460469231731687303715884105726", "1"});
  CHECK(greatest.texts["exact"] == "170141183460469231731687303715884105727");
  CHECK(greatest.numbers["sum"] == 0x1p127);
  auto least = SumOf({"-170141183460469231731687303715884105728"});
  CHECK(least.texts["exact"] == "-170141183460469231731687303715884105728");
  CHECK(least.numbers["sum"] == -0x1p127);
}

TEST_CASE("sum: what does not fit into 128 bits goes on as other numbers") {
  auto summary = SumOf({"170141183460469231731687303715884105727", "1",
                        "170141183460469231731687303715884105727", "1e300"});
  CHECK(summary.counts["count"] == 4);
  CHECK(summary.texts.empty());
  CHECK(summary.numbers["sum"] == doctest::Approx(1e300));
}

TEST_CASE("sum: of fractions the digits that rounding takes are kept") {
  // fractions.Fraction of Python: ten times the double 0.1 is 1 + 5 / 9007199254740992, whose
  // nearest double is 1 (the next is 1 + 2/9007199254740992 away); adding one by one gives less.
  CHECK(SumOf(std::vector<std::string>(10, "0.1")).numbers["sum"] == 1.0);
  // By hand: the ones are lost to 1e100 unless they are kept apart.
  CHECK(SumOf({"0.5", "1e100", "0.5", "-1e100"}).numbers["sum"] == 1.0);
  // By hand: doubles are 2 apart there, so 1.25 more is nearest to 2 more.
  CHECK(SumOf({"0.25", "1e16", "1"}).numbers["sum"] == 10000000000000002.0);
}

TEST_CASE("sum: beyond the greatest double it is infinite, and does not become nothing") {
  CHECK(std::isinf(SumOf({"1.7e308", "1.7e308", "1"}).numbers["sum"]));
}
