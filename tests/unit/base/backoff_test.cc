#include "base/backoff.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace rivulet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("backoff: delays double in their bound up to the cap, and start over") {
  JitterBackoff backoff({milliseconds(100), seconds(1)}, 42);
  const Duration bounds[] = {milliseconds(100), milliseconds(200), milliseconds(400),
                             milliseconds(800), seconds(1),        seconds(1)};
  Duration longest{};
  for (int round = 0; round < 200; ++round) {
    for (const Duration bound : bounds) {
      const Duration delay = backoff.Next();
      CHECK(delay >= Duration::zero());
      CHECK(delay <= bound);
      longest = std::max(longest, delay);
    }
    CHECK(backoff.failures() == 6);
    backoff.Reset();
  }
  CHECK(longest > milliseconds(950));  // 400 even draws from [0, 1 s]: below with chance 0.95^400
}

}  // namespace
}  // namespace rivulet
