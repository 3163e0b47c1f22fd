#include "journal/helper.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "base/event_loop.h"

using namespace rivulet;
using namespace std::chrono_literals;

TEST_CASE("helper: work is done elsewhere and in order, and told on the loop") {
  EventLoop loop;
  const SystemClock clock;
  Helper helper(loop, clock);
  const auto here = std::this_thread::get_id();
  std::string order;
  std::string told;
  for (const char c : {'a', 'b', 'c'}) {
    helper.Do(
        [&, c] {
          CHECK(std::this_thread::get_id() != here);
          order += c;
          return c == 'b' ? InvalidArgument("no") : Status::Ok();
        },
        [&, c](const Status& status, Duration took) {
          CHECK(std::this_thread::get_id() == here);
          CHECK(status.ok() == (c != 'b'));
          CHECK(took >= Duration::zero());
          told += c;
          if (c == 'c') loop.Stop();
        });
  }
  loop.Run();
  CHECK(order == "abc");
  CHECK(told == "abc");
}

TEST_CASE("helper: a stop does and tells what is left, and from then on it works at once") {
  EventLoop loop;
  const SystemClock clock;
  Helper helper(loop, clock);
  std::string told;
  const auto tell = [&](char c) { return [&told, c](const Status&, Duration) { told += c; }; };
  helper.Do([] { return Status::Ok(); }, tell('a'));
  helper.Do([] { return Status::Ok(); }, tell('b'));
  CHECK(told.empty());
  helper.Stop();
  CHECK(told == "ab");
  helper.Do([] { return Status::Ok(); }, tell('c'));
  CHECK(told == "abc");
  loop.RunOnce(0ms);
  CHECK(told == "abc");
}

TEST_CASE("helper: what it did not tell before it went is not told") {
  EventLoop loop;
  const SystemClock clock;
  bool done = false;
  {
    Helper helper(loop, clock);
    helper.Do(
        [&] {
          done = true;
          return Status::Ok();
        },
        [](const Status&, Duration) { FAIL("told after its end"); });
  }
  CHECK(done);
  loop.RunOnce(0ms);
}
