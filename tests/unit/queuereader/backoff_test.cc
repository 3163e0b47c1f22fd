#include "queuereader/backoff.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace std::chrono_literals;
using rivulet::Duration;
using rivulet::TaskBackoff;
using rivulet::TaskBackoffConfig;

namespace {

/// In hundredths of a second.
long Hundredths(Duration interval) {
  return std::lround(std::chrono::duration<double>(interval).count() * 100);
}

}  // namespace

// Expected values follow from the definition: with 120 s, a short unit is 30 s / 10 and a long unit
// is 90 s / 250.

TEST_CASE("backoff: there is no pause before the first failure") {
  TaskBackoff backoff({});
  CHECK(backoff.interval() == 0s);
  CHECK_FALSE(backoff.failing());
  backoff.Success();
  CHECK(backoff.interval() == 0s);
}

TEST_CASE("backoff: the first failure pauses for 3.36 s, and each of the next nine adds as much") {
  TaskBackoff backoff({});
  for (int i = 1; i <= 10; ++i) {
    backoff.Failure();
    CHECK(backoff.interval() == i * 3360ms);
    CHECK(backoff.failing());
  }
}

TEST_CASE("backoff: from the eleventh failure on, one adds 0.36 s") {
  TaskBackoff backoff({});
  for (int i = 0; i < 11; ++i) backoff.Failure();
  CHECK(backoff.interval() == 33600ms + 360ms);
}

TEST_CASE("backoff: it never passes its maximum") {
  TaskBackoff backoff({});
  for (int i = 0; i < 1000; ++i) backoff.Failure();
  CHECK(backoff.interval() == 120s);
}

TEST_CASE("backoff: successes undo failures one by one") {
  TaskBackoff backoff({});
  for (int i = 0; i < 3; ++i) backoff.Failure();
  backoff.Success();
  CHECK(backoff.interval() == 2 * 3360ms);
  backoff.Success();
  CHECK(backoff.failing());
  backoff.Success();
  backoff.Success();
  CHECK(backoff.interval() == 0s);
  CHECK_FALSE(backoff.failing());
}

TEST_CASE("backoff: a maximum of zero never pauses, whatever the least") {
  TaskBackoff backoff({.min = 100ms, .max = 0s});
  for (int i = 0; i < 100; ++i) backoff.Failure();
  CHECK(backoff.interval() == 0s);
}

TEST_CASE("backoff: a least pause above the greatest is the greatest") {
  TaskBackoff backoff({.min = 10s, .max = 5s});
  CHECK(backoff.interval() == 5s);
  for (int i = 0; i < 100; ++i) backoff.Failure();
  CHECK(backoff.interval() == 5s);
}

TEST_CASE("backoff: the numbers that its authors publish") {
  TaskBackoff backoff(
      {.min = 100ms, .max = 120s, .ratio = .25, .short_length = 10, .long_length = 1000});
  CHECK(Hundredths(backoff.interval()) == 10);
  backoff.Failure();
  CHECK(Hundredths(backoff.interval()) == 319);
  backoff.Failure();
  CHECK(Hundredths(backoff.interval()) == 627);
  backoff.Success();
  CHECK(Hundredths(backoff.interval()) == 319);
  for (int i = 0; i < 25; ++i) backoff.Failure();
  CHECK(Hundredths(backoff.interval()) == 3241);
}
