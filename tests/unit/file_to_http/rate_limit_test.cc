#include "file_to_http/rate_limit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace rivulet;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Run {
  std::uint64_t messages = 0;
  std::uint64_t bursts = 0;
  std::uint64_t largest = 0;
};

// As the loop does it: takes what is allowed, then wakes when told.
Run TakeFor(RateLimit* rate, FakeClock* clock, Duration span, Duration late = {}) {
  Run run;
  const MonoTime end = clock->Now() + span;
  while (clock->Now() < end) {
    const auto allowed = rate->Allowed(clock->Now());
    if (allowed > 0) {
      rate->Take(allowed);
      run.messages += allowed;
      ++run.bursts;
      run.largest = std::max(run.largest, allowed);
    }
    const MonoTime next = rate->NextAt(clock->Now());
    clock->Advance(next - clock->Now() + late);
  }
  return run;
}

}  // namespace

TEST_CASE("rate limit: what goes in a second is the rate, in small even bursts") {
  for (const double rate : {0.5, 1.0, 3.7, 50.0, 99.0, 1000.0, 123456.0}) {
    CAPTURE(rate);
    FakeClock clock;
    RateLimit limit(rate, clock.Now());
    const Run run = TakeFor(&limit, &clock, seconds(20));
    // The first at once, then one each 1/rate; a burst may be due at the end.
    CHECK(static_cast<double>(run.messages) <= rate * 20 + 1);
    CHECK(static_cast<double>(run.messages) >= rate * 20 * 0.99 - 1);
    CHECK(run.largest <= static_cast<std::uint64_t>(std::ceil(rate / 50)));
    if (rate >= 100) CHECK(run.bursts >= 50 * 20);
  }
}

TEST_CASE("rate limit: the first message goes at once") {
  FakeClock clock;
  RateLimit limit(0.1, clock.Now());
  CHECK(limit.Allowed(clock.Now()) == 1);
  limit.Take(1);
  CHECK(limit.Allowed(clock.Now()) == 0);
  CHECK(limit.NextAt(clock.Now()) - clock.Now() >= seconds(10));
  CHECK(limit.NextAt(clock.Now()) - clock.Now() <= seconds(10) + milliseconds(1));
}

TEST_CASE("rate limit: timers that are late cost nothing") {
  FakeClock clock;
  RateLimit limit(1000, clock.Now());
  const Run run = TakeFor(&limit, &clock, seconds(10), milliseconds(60));
  CHECK(run.messages >= 9800);
  CHECK(run.messages <= 10001);
}

TEST_CASE("rate limit: a long wait brings no flood") {
  FakeClock clock;
  RateLimit limit(1000, clock.Now());
  TakeFor(&limit, &clock, seconds(1));
  clock.Advance(std::chrono::hours(1));
  CHECK(limit.Allowed(clock.Now()) <= 101);
}
