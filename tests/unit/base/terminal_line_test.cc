#include "base/terminal_line.h"

#include <doctest/doctest.h>

using namespace rivulet;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("terminal line: durations are rough where they are long") {
  CHECK(RoughDuration(seconds(0)) == "0 s");
  CHECK(RoughDuration(seconds(59)) == "59 s");
  CHECK(RoughDuration(minutes(3) + seconds(20)) == "3 min 20 s");
  CHECK(RoughDuration(hours(49) + minutes(5)) == "49 h 5 min");
}

TEST_CASE("terminal line: the rate is that of the last seconds") {
  FakeClock clock;
  RecentRate rate;
  CHECK(rate.a_second() == 0);
  std::uint64_t count = 0;
  rate.Note(count, clock.Now());
  for (int i = 0; i < 20; ++i) {
    clock.Advance(std::chrono::milliseconds(200));
    rate.Note(count += 20, clock.Now());
  }
  CHECK(rate.a_second() == doctest::Approx(100));
  for (int i = 0; i < 200; ++i) {
    clock.Advance(std::chrono::milliseconds(200));
    rate.Note(count, clock.Now());
  }
  CHECK(rate.a_second() < 0.01);
}

TEST_CASE("terminal line: the bar has twenty places, whatever the share") {
  CHECK(ProgressBar(0) == "[" + std::string(20, '.') + "]");
  CHECK(ProgressBar(0.509) == "[##########..........]");
  CHECK(ProgressBar(1) == "[" + std::string(20, '#') + "]");
  CHECK(ProgressBar(1.5) == ProgressBar(1));
  CHECK(ProgressBar(-1) == ProgressBar(0));
}
