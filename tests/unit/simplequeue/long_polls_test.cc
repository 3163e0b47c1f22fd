#include "simplequeue/long_polls.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace rivulet {

namespace {

using namespace std::chrono_literals;

// A number, kept in `items`, stands for a request; nobody is connected.
struct Polls {
  FakeClock clock;
  EventLoop loop;
  std::vector<std::uint64_t> served;
  std::vector<std::uint64_t> ended;
  std::size_t messages = 0;
  LongPolls polls{loop, clock,
                  [this](const std::string&, LongPoll& poll) {
                    if (messages == 0) return false;
                    --messages;
                    served.push_back(poll.taking.items);
                    return true;
                  },
                  [this](LongPoll& poll) { ended.push_back(poll.taking.items); }};

  void Add(std::string_view queue, std::uint64_t number, Duration wait = 1h) {
    LongPoll poll;
    poll.taking.items = number;
    polls.Add(queue, std::move(poll), clock.Now() + wait);
  }
  void RunUntilEnded(std::size_t count) {
    for (int i = 0; i < 1000 && ended.size() < count; ++i) loop.RunOnce(10ms);
  }
};

using Numbers = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("long polls: a line is served in the order it came, as far as there is something") {
  Polls test;
  for (const std::uint64_t number : {1, 2, 3}) test.Add("a", number);
  test.Add("b", 4);
  test.messages = 2;
  test.polls.Wake("a");
  CHECK(test.served.empty());  // not from inside Wake
  test.loop.RunOnce(0ms);
  CHECK(test.served == Numbers{1, 2});
  test.messages = 5;
  test.polls.Wake("a");
  test.polls.Wake("a");
  test.polls.Wake("nobody waits here");
  test.loop.RunOnce(0ms);
  CHECK(test.served == Numbers{1, 2, 3});
  CHECK_FALSE(test.polls.HasLine("a"));
  CHECK(test.polls.HasLine("b"));
  test.polls.WakeAll();
  test.loop.RunOnce(0ms);
  CHECK(test.served == Numbers{1, 2, 3, 4});
  CHECK_FALSE(test.polls.any());
}

TEST_CASE("long polls: at its time a poll is ended, wherever it stands in its line") {
  Polls test;
  // The loop's timers run by the real clock, so the times are short.
  test.Add("a", 1, 300ms);
  test.Add("a", 2, 100ms);
  test.Add("b", 3, 200ms);
  test.clock.Advance(100ms);
  test.RunUntilEnded(1);
  CHECK(test.ended == Numbers{2});
  test.clock.Advance(200ms);
  test.polls.WakeAll();
  test.RunUntilEnded(3);
  CHECK(test.ended == Numbers{2, 3, 1});
  CHECK_FALSE(test.polls.any());
}

TEST_CASE("long polls: one that does not wait takes its turn and is ended in the same one") {
  Polls test;
  test.Add("a", 1);
  test.Add("a", 2, 0s);
  test.messages = 1;
  test.polls.Wake("a");
  test.loop.RunOnce(0ms);
  CHECK(test.served == Numbers{1});
  CHECK(test.ended == Numbers{2});
}

TEST_CASE("long polls: at the drain all are ended, and who comes later does not wait") {
  Polls test;
  test.Add("a", 1);
  test.Add("b", 2);
  test.polls.EndAll();
  CHECK(test.ended == Numbers{1, 2});
  test.Add("a", 3);
  test.RunUntilEnded(3);
  CHECK(test.ended == Numbers{1, 2, 3});
  CHECK_FALSE(test.polls.any());
}

TEST_CASE("long polls: those whose clients have gone are not kept for their hour") {
  Polls test;
  for (std::uint64_t i = 0; i < 10'000; ++i) test.Add("a", i);
  // All are gone here. Those since the last look are there yet: at most so many.
  test.messages = 10'000;
  test.polls.Wake("a");
  test.loop.RunOnce(0ms);
  CHECK(test.served.size() <= 64);
  CHECK(test.polls.waiting() == 0);
}

}  // namespace rivulet
