#include "queuereader/backoff.h"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using rivulet::Backoff;
using rivulet::Duration;

// Expected values follow from the definition: with 120 s, a short unit is 30 s / 10 and a long unit
// is 90 s / 250.

TEST_CASE("backoff: there is no pause before the first failure") {
  Backoff backoff(120s);
  CHECK(backoff.interval() == 0s);
  backoff.Success();
  CHECK(backoff.interval() == 0s);
}

TEST_CASE("backoff: the first failure pauses for 3.36 s, and each of the next nine adds as much") {
  Backoff backoff(120s);
  for (int i = 1; i <= 10; ++i) {
    backoff.Failure();
    CHECK(backoff.interval() == i * 3360ms);
  }
}

TEST_CASE("backoff: from the eleventh failure on, one adds 0.36 s") {
  Backoff backoff(120s);
  for (int i = 0; i < 11; ++i) backoff.Failure();
  CHECK(backoff.interval() == 33600ms + 360ms);
}

TEST_CASE("backoff: it never passes its maximum") {
  Backoff backoff(120s);
  for (int i = 0; i < 1000; ++i) backoff.Failure();
  CHECK(backoff.interval() == 120s);
}

TEST_CASE("backoff: successes undo failures one by one") {
  Backoff backoff(120s);
  for (int i = 0; i < 3; ++i) backoff.Failure();
  backoff.Success();
  CHECK(backoff.interval() == 2 * 3360ms);
  backoff.Success();
  backoff.Success();
  backoff.Success();
  CHECK(backoff.interval() == 0s);
}

TEST_CASE("backoff: a maximum of zero never pauses") {
  Backoff backoff(0s);
  for (int i = 0; i < 100; ++i) backoff.Failure();
  CHECK(backoff.interval() == 0s);
}
