#include "bridge/delivery_window.h"

#include <doctest/doctest.h>

#include <string>

#include "bridge/message_log.h"

namespace rivulet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

WindowConfig Batches(std::uint64_t batch, Duration delay = {}) {
  WindowConfig window;
  window.batch = batch;
  window.batch_delay = delay;
  return window;
}

struct Numbers : MessageLog {
  explicit Numbers(int count) : MessageLog(UINT64_MAX) {
    for (int i = 0; i < count; ++i) Append(std::to_string(i));
  }
};

std::string Lines(const std::optional<DeliveryCursor::Taken>& taken) {
  return taken ? std::string(taken->batch.lines) : "nothing";
}

TEST_CASE("delivery cursor: what is to be sent again comes first, the oldest before others") {
  Numbers log(9);
  const FakeClock clock;
  DeliveryCursor cursor(2);
  for (int i = 0; i < 3; ++i) CHECK(cursor.Take(&log, Batches(2), clock.Now()));
  cursor.SendAgain({6, 2, 1});
  cursor.SendAgain({2, 2, 5});
  CHECK(cursor.oldest() == 2);
  const auto first = cursor.Take(&log, Batches(2), clock.Now());
  CHECK(Lines(first) == "2\n3\n");
  CHECK(first->tries == 5);
  CHECK(Lines(cursor.Take(&log, Batches(2), clock.Now())) == "6\n7\n");
  CHECK(cursor.oldest() == 8);
  CHECK(Lines(cursor.Take(&log, Batches(2), clock.Now())) == "8\n");
  CHECK(Lines(cursor.Take(&log, Batches(2), clock.Now())) == "nothing");
}

TEST_CASE("delivery cursor: one with smaller batches sends the rest of a batch with its tries") {
  Numbers log(4);
  const FakeClock clock;
  DeliveryCursor cursor(0);
  CHECK(cursor.Take(&log, Batches(4), clock.Now()));
  cursor.SendAgain({0, 4, 3});
  CHECK(Lines(cursor.Take(&log, Batches(3), clock.Now())) == "0\n1\n2\n");
  const auto rest = cursor.Take(&log, Batches(3), clock.Now());
  CHECK(Lines(rest) == "3\n");
  CHECK(rest->tries == 3);
}

TEST_CASE("delivery cursor: what is gone is forgotten, and told") {
  Numbers log(10);
  const FakeClock clock;
  DeliveryCursor cursor(0);
  for (int i = 0; i < 2; ++i) CHECK(cursor.Take(&log, Batches(3), clock.Now()));
  cursor.SendAgain({0, 3, 0});
  cursor.SendAgain({3, 3, 2});
  CHECK(cursor.SkipTo(0).empty());
  const auto part = cursor.SkipTo(4);
  REQUIRE(part.size() == 2);
  CHECK(part[0].first == 0);
  CHECK(part[0].count == 3);
  CHECK(part[1].first == 3);
  CHECK(part[1].count == 1);
  log.DropBefore(4);
  const auto cut = cursor.Take(&log, Batches(3), clock.Now());
  CHECK(Lines(cut) == "4\n5\n");
  CHECK(cut->tries == 2);
  const auto unsent = cursor.SkipTo(8);
  REQUIRE(unsent.size() == 1);
  CHECK(unsent[0].first == 6);
  CHECK(unsent[0].end() == 8);
  CHECK(cursor.oldest() == 8);
}

TEST_CASE("delivery cursor: told to hurry, it waits for no more messages") {
  Numbers log(1);
  const FakeClock clock;
  DeliveryCursor cursor(0);
  CHECK(Lines(cursor.Take(&log, Batches(2, seconds(9)), clock.Now())) == "nothing");
  CHECK(cursor.WakeAt() == clock.Now() + seconds(9));
  cursor.HurryUp();
  CHECK(Lines(cursor.Take(&log, Batches(2, seconds(9)), clock.Now())) == "0\n");
  CHECK_FALSE(cursor.WakeAt());
}

TEST_CASE("delivery window: failures of requests that ran together are one failure") {
  WindowConfig config;
  config.max_in_flight = 3;
  config.backoff = {milliseconds(100), seconds(10)};
  FakeClock clock;
  DeliveryWindow window(config, 1);
  for (std::uint64_t i = 0; i < 3; ++i) window.Sent({i, 1, 0});
  CHECK_FALSE(window.HasRoom());
  MessageBatch batch;
  batch.count = 1;
  for (const std::uint64_t first : {2U, 0U, 1U}) {
    batch.first = first;
    CHECK(window.Failed(batch, clock.Now(), {}).first == first);
    // The bound of the first delay of base/backoff.h, not of the third.
    CHECK(*window.retry_at() <= clock.Now() + milliseconds(100));
  }
  clock.Advance(milliseconds(100));
  CHECK(window.Ready(clock.Now()));
  window.Sent({0, 1, 1});
  CHECK_FALSE(window.Ready(clock.Now()));  // one at a time finds out
  CHECK(window.OldestOr(7) == 0);
  batch.first = 0;
  window.Answered(batch);
  CHECK_FALSE(window.failing());
  CHECK(window.OldestOr(7) == 7);
}

}  // namespace
}  // namespace rivulet
