#include "pubsub/feed.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/pubsub/feed_listener.h"

namespace rivulet {
namespace {

// A feed as TopicSet makes it, and the messages of one topic.
struct Fixture {
  explicit Fixture(std::string_view topics = "t", std::shared_ptr<Filter> filter = nullptr)
      : feed(*Selection::Parse(topics), std::move(filter), &pool) {}

  bool Append(std::string_view body) {
    const TopicMessage message{"t", offset++, sequence++, {}, body};
    return feed.Append(message);
  }

  BlockPool pool;
  Feed feed;
  std::uint64_t offset = 0;
  std::uint64_t sequence = 1000;
};

TEST_CASE("feed: many messages of a turn are one notification") {
  Fixture f;
  FeedListener listener(&f.feed);
  f.Append("a");
  f.Append("b");
  CHECK(listener.got.empty());
  f.feed.Deliver(1000);
  CHECK(listener.notified == 1);
  CHECK(listener.got == "a\nb\n");
  f.feed.Deliver(1000);
  CHECK(listener.notified == 2);
}

TEST_CASE("feed: one that has not read everything is not notified again") {
  Fixture f;
  FeedListener stalled(&f.feed);
  stalled.appetite = 0;
  for (int i = 0; i < 10; ++i) {
    f.Append("m");
    f.feed.Deliver(1000);
  }
  CHECK(stalled.notified == 1);
  CHECK(stalled.subscription.lag_messages() == 10);
}

TEST_CASE("feed: each subscriber has the messages in its own framing") {
  Fixture f;
  FeedListener lines(&f.feed, Framing::kLines);
  FeedListener parts(&f.feed, Framing::kMultipart);
  FeedListener events(&f.feed, Framing::kSse);
  FeedListener frames(&f.feed, Framing::kWebSocket);
  f.Append("hello");
  f.feed.Deliver(1000);
  CHECK(lines.got == "hello\n");
  CHECK(parts.got == "content-type: */*\r\ncontent-length: 5\r\n\r\nhello\r\n--xXPubSubXx\r\n");
  CHECK(events.got == "id: 0\ndata: hello\n\n");
  CHECK(frames.got == "\x81\x05hello");
  CHECK(f.feed.subscribers() == 4);
}

TEST_CASE("feed: of one topic the position is the offset, of several it begins with the sequence") {
  for (const std::string_view topics : {"t", "t,u", "*", "t*"}) {
    CAPTURE(topics);
    Fixture f(topics);
    f.offset = 41;
    FeedListener lines(&f.feed, Framing::kLinesAt);
    FeedListener events(&f.feed, Framing::kSse);
    f.Append("a");
    f.Append("b");
    f.feed.Deliver(1000);
    if (topics == "t") {
      CHECK(lines.got == "41 a\n42 b\n");
      CHECK(events.got == "id: 41\ndata: a\n\nid: 42\ndata: b\n\n");
      CHECK(f.feed.next_position() == 43);
    } else {
      CHECK(lines.got == "1000 t 41 a\n1001 t 42 b\n");
      CHECK(events.got == "id: 1000 t 41\ndata: a\n\nid: 1001 t 42\ndata: b\n\n");
      CHECK(f.feed.next_position() == 1002);
    }
  }
}

TEST_CASE("feed: a filter is asked once a message for all framings and subscribers") {
  const auto filter = std::make_shared<FakeFilter>("x");
  Fixture f("t", filter);
  CHECK_FALSE(f.Append("x unheard"));
  CHECK(filter->evaluated() == 0);
  FeedListener a(&f.feed, Framing::kLines);
  FeedListener b(&f.feed, Framing::kLines);
  FeedListener c(&f.feed, Framing::kLinesAt);
  CHECK(f.Append("x1"));
  CHECK_FALSE(f.Append("y"));
  CHECK(f.Append("2x"));
  f.feed.Deliver(1000);
  CHECK(filter->evaluated() == 3);
  CHECK(a.got == "x1\n2x\n");
  CHECK(b.got == "x1\n2x\n");
  CHECK(c.got == "1 x1\n3 2x\n");
  CHECK(a.subscription.index() == 2);
}

TEST_CASE("feed: who is not live gets nothing, and is notified of whatever is published") {
  struct Replaying final : SubscriptionListener {
    explicit Replaying(Feed* feed) : subscription(feed, Framing::kLines, this) {}
    void OnMessages() override { ++notified; }
    void OnTooSlow() override {}
    int notified = 0;
    Subscription subscription;
  };
  Fixture f("t", std::make_shared<FakeFilter>("x"));
  Replaying replaying(&f.feed);
  CHECK(f.feed.subscribers() == 1);
  CHECK_FALSE(replaying.subscription.live());
  replaying.subscription.Wait();
  CHECK(f.Append("not kept"));
  CHECK(f.Append("x"));
  CHECK(f.pool.live_blocks() == 0);
  f.feed.Deliver(1000);
  CHECK(replaying.notified == 1);
  CHECK(replaying.subscription.pending_bytes() == 0);
  replaying.subscription.GoLive();
  f.Append("x2");
  CHECK(replaying.subscription.lag_messages() == 1);
  replaying.subscription.Leave();
  CHECK(f.feed.subscribers() == 0);
  CHECK_FALSE(f.Append("x3"));
}

TEST_CASE("until: the message at it and those behind it are not read, and it is told of the end") {
  Fixture f;
  FeedListener two(&f.feed, Framing::kLines, 2);
  FeedListener three(&f.feed, Framing::kLines, 3);
  FeedListener endless(&f.feed, Framing::kLines);
  f.Append("0");
  f.Append("1");
  f.feed.Deliver(1000);
  CHECK_FALSE(two.subscription.at_end());
  f.Append("2");
  f.Append("3");
  CHECK(two.subscription.at_end());
  CHECK_FALSE(three.subscription.at_end());
  f.feed.Deliver(1000);
  CHECK(two.notified == 2);
  CHECK(two.got == "0\n1\n");
  CHECK(three.got == "0\n1\n2\n");
  CHECK(three.subscription.at_end());
  CHECK(endless.got == "0\n1\n2\n3\n");
  CHECK_FALSE(endless.subscription.at_end());
  two.subscription.Leave();
  three.subscription.Leave();
  CHECK(f.feed.held_bytes() == 0);
}

TEST_CASE("until: a message that the filter does not keep ends it too") {
  Fixture f("t,u", std::make_shared<FakeFilter>("x"));
  FeedListener listener(&f.feed, Framing::kLines, 1002);
  CHECK(f.Append("x"));
  f.feed.Deliver(1000);
  CHECK_FALSE(f.Append("y"));
  CHECK_FALSE(listener.subscription.at_end());
  CHECK(f.Append("y"));
  f.feed.Deliver(1000);
  CHECK(listener.notified == 2);
  CHECK(listener.subscription.at_end());
  CHECK(listener.got == "x\n");
}

TEST_CASE("until: one that has come already ends when it goes live") {
  Fixture f;
  f.Append("0");
  FeedListener past(&f.feed, Framing::kLines, 0);
  FeedListener now(&f.feed, Framing::kLines, 1);
  FeedListener next(&f.feed, Framing::kLines, 2);
  CHECK(past.subscription.at_end());
  CHECK(now.subscription.at_end());
  CHECK_FALSE(next.subscription.at_end());
}

TEST_CASE("until: who leaves before it is marked no more") {
  Fixture f;
  FeedListener stays(&f.feed);
  {
    FeedListener leaves(&f.feed, Framing::kLines, 5);
    const FeedListener other(&f.feed, Framing::kLines, 3);
  }
  for (int i = 0; i < 10; ++i) f.Append("m");
  f.feed.Deliver(1000);
  CHECK(stays.got.size() == 20);
}

TEST_CASE("feed: a slow consumer is told, the others go on") {
  Fixture f;
  FeedListener stalled(&f.feed);
  FeedListener quick(&f.feed);
  stalled.appetite = 0;
  std::string expected;
  for (int i = 0; i < 30; ++i) {
    f.Append(std::string(99, 'm'));
    expected += std::string(99, 'm') + "\n";
    f.feed.Deliver(1000);
  }
  CHECK(stalled.too_slow == 1);
  CHECK(quick.too_slow == 0);
  CHECK(quick.got == expected);
  CHECK(f.feed.subscribers() == 1);
  CHECK(f.pool.live_blocks() == 0);
}

TEST_CASE("feed: a stalled one that is to end does not hold memory for ever") {
  Fixture f;
  FeedListener stalled(&f.feed, Framing::kLines, 1);
  FeedListener quick(&f.feed);
  stalled.appetite = 0;
  for (int i = 0; i < 30; ++i) {
    f.Append(std::string(99, 'm'));
    f.feed.Deliver(1000);
  }
  CHECK(stalled.too_slow == 1);
  CHECK(f.pool.live_blocks() == 0);
}

TEST_CASE("feed: one that skips goes on at the end, with the others") {
  struct Skipper final : SubscriptionListener {
    explicit Skipper(Feed* feed) : subscription(feed, Framing::kLines, this) {
      subscription.GoLive();
    }
    void OnMessages() override {}
    void OnTooSlow() override { skipped += subscription.Skip(0, &rest); }
    std::uint64_t skipped = 0;
    Remainder rest;
    Subscription subscription;
  };
  Fixture f;
  Skipper skipper(&f.feed);
  FeedListener quick(&f.feed);
  for (int i = 0; i < 1000; ++i) {
    f.Append(std::string(99, 'm'));
    f.feed.Deliver(1000);
  }
  CHECK(skipper.skipped > 900);
  CHECK(skipper.skipped + skipper.subscription.lag_messages() == 1000);
  CHECK(f.feed.held_bytes() <= 1200);
  CHECK(quick.got.size() == 100'000);
  CHECK(f.feed.subscribers() == 2);
}

TEST_CASE("feed: the memory goes with the last subscriber") {
  Fixture f;
  {
    FeedListener stalled(&f.feed, Framing::kMultipart);
    stalled.appetite = 0;
    for (int i = 0; i < 100; ++i) f.Append(std::string(10'000, 'm'));
    CHECK(f.feed.held_bytes() > 1'000'000);
  }
  CHECK(f.feed.held_bytes() == 0);
  CHECK(f.pool.live_bytes() == 0);
  CHECK(f.feed.subscribers() == 0);
}

TEST_CASE("feed: a subscriber may leave, or go away, while it is being notified") {
  struct Leaver final : SubscriptionListener {
    explicit Leaver(Feed* feed)
        : subscription(std::make_unique<Subscription>(feed, Framing::kLines, this)) {
      subscription->GoLive();
      subscription->Wait();
    }
    void OnMessages() override {
      if (goes) {
        subscription.reset();
      } else {
        subscription->Leave();
      }
    }
    void OnTooSlow() override {}
    bool goes = false;
    std::unique_ptr<Subscription> subscription;
  };
  Fixture f;
  Leaver first(&f.feed);
  FeedListener second(&f.feed);
  Leaver third(&f.feed);
  third.goes = true;
  f.Append("m");
  f.feed.Deliver(1000);
  CHECK(f.feed.subscribers() == 1);
  CHECK(second.got == "m\n");
}

}  // namespace
}  // namespace rivulet
