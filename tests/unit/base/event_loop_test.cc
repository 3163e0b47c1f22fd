#include "base/event_loop.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>

using namespace rivulet;
using namespace std::chrono_literals;

TEST_CASE("event loop: a stop before the run ends it at once") {
  EventLoop loop;
  loop.Stop();
  loop.Run();
}

TEST_CASE("event loop: posted tasks run in order, on the loop's thread, never inside Post") {
  EventLoop loop;
  std::string order;
  loop.Post([&] {
    order += 'a';
    loop.Post([&] {
      order += 'c';
      loop.Stop();
    });
    order += 'b';
  });
  CHECK(order.empty());
  loop.Run();
  CHECK(order == "abc");
}

TEST_CASE("event loop: another thread may post and stop") {
  EventLoop loop;
  int ran = 0;
  const auto loop_thread = std::this_thread::get_id();
  bool same = true;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      loop.Post([&] {
        ++ran;
        same = same && std::this_thread::get_id() == loop_thread;
      });
    }
    loop.Post([&] { loop.Stop(); });
  });
  loop.Run();
  other.join();
  CHECK(ran == 1000);
  CHECK(same);
}

// Never early: libevent alone fires the later one up to a millisecond or more too soon.
TEST_CASE("event loop: timers fire in the order of their times, never early") {
  EventLoop loop;
  const SystemClock clock;
  const MonoTime start = clock.Now();
  std::string order;
  Timer late(loop, [&] {
    order += 'b';
    CHECK(clock.Now() - start >= 4ms);
    loop.Stop();
  });
  Timer early(loop, [&] {
    order += 'a';
    CHECK(clock.Now() - start >= 1ms);
  });
  late.Start(4ms);
  early.Start(1ms);
  loop.Run();
  CHECK(order == "ab");
  CHECK_FALSE(late.active());
}

TEST_CASE("event loop: a repeating timer fires until it is cancelled") {
  EventLoop loop;
  int fired = 0;
  Timer timer(loop, [&] {
    if (++fired == 3) {
      timer.Cancel();
      loop.Stop();
    }
  });
  timer.StartEvery(1ms);
  CHECK(timer.active());
  loop.Run();
  CHECK(fired == 3);
  CHECK_FALSE(timer.active());
}

TEST_CASE("event loop: starting a timer again replaces its time") {
  EventLoop loop;
  int fired = 0;
  Timer timer(loop, [&] {
    ++fired;
    loop.Stop();
  });
  timer.Start(1h);
  timer.StartEvery(1h);
  timer.Start(1ms);
  loop.Run();
  CHECK(fired == 1);
  CHECK_FALSE(timer.active());
}

TEST_CASE("event loop: a timer may start itself again in its callback") {
  EventLoop loop;
  int fired = 0;
  Timer timer(loop, [&] {
    if (++fired < 3) {
      timer.Start(0ms);
    } else {
      loop.Stop();
    }
  });
  timer.Start(0ms);
  loop.Run();
  CHECK(fired == 3);
}

TEST_CASE("event loop: a timer destroyed in its own callback is gone") {
  EventLoop loop;
  int fired = 0;
  std::unique_ptr<Timer> timer = std::make_unique<Timer>(loop, [&] {
    ++fired;
    timer.reset();
    loop.Stop();
  });
  timer->StartEvery(1ms);
  loop.Run();
  CHECK(fired == 1);
  CHECK(timer == nullptr);
}

TEST_CASE("event loop: a destroyed timer does not fire") {
  EventLoop loop;
  bool fired = false;
  auto doomed = std::make_unique<Timer>(loop, [&] { fired = true; });
  doomed->Start(1ms);
  doomed.reset();
  Timer end(loop, [&] { loop.Stop(); });
  end.Start(3ms);
  loop.Run();
  CHECK_FALSE(fired);
}

TEST_CASE("event loop: deferred work runs once however often it was asked for") {
  EventLoop loop;
  int ran = 0;
  Deferred deferred(loop, [&] {
    ++ran;
    loop.Stop();
  });
  loop.Post([&] {
    deferred.Schedule();
    deferred.Schedule();
    CHECK(ran == 0);
  });
  loop.Run();
  CHECK(ran == 1);
}

TEST_CASE("event loop: deferred work destroyed in its own callback is gone") {
  EventLoop loop;
  int ran = 0;
  std::unique_ptr<Deferred> deferred = std::make_unique<Deferred>(loop, [&] {
    ++ran;
    deferred.reset();
    loop.Stop();
  });
  deferred->Schedule();
  loop.Run();
  CHECK(ran == 1);
}

TEST_CASE("event loop: a watcher tells what it was asked to watch for") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  EventLoop loop;
  int readable = 0;
  IoWatcher watcher(loop, ends[0], [&](bool can_read, bool can_write) {
    CHECK(can_read);
    CHECK_FALSE(can_write);
    ++readable;
  });
  loop.RunOnce(0ms);
  watcher.Watch(true, false);
  loop.RunOnce(0ms);
  CHECK(readable == 0);
  REQUIRE(write(ends[1], "x", 1) == 1);
  loop.RunOnce(1s);
  loop.RunOnce(1s);
  CHECK(readable == 2);  // level-triggered
  watcher.Watch(false, false);
  loop.RunOnce(0ms);
  CHECK(readable == 2);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("event loop: a watcher destroyed in its own callback is gone") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  EventLoop loop;
  int called = 0;
  std::unique_ptr<IoWatcher> watcher =
      std::make_unique<IoWatcher>(loop, ends[1], [&](bool, bool can_write) {
        CHECK(can_write);
        ++called;
        watcher.reset();
      });
  watcher->Watch(false, true);
  loop.RunOnce(1s);
  loop.RunOnce(0ms);
  CHECK(called == 1);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("event loop: a signal calls back on the loop") {
  EventLoop loop;
  int received = 0;
  SignalWatcher watcher(loop, SIGUSR1, [&] {
    ++received;
    loop.Stop();
  });
  raise(SIGUSR1);
  CHECK(received == 0);
  loop.Run();
  CHECK(received == 1);
}
