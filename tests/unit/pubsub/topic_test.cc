#include "pubsub/topic.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "pubsub/topic_set.h"

namespace rivulet {
namespace {

// Reads at most `appetite` bytes a notification, as a socket would.
struct Listener final : SubscriptionListener {
  Listener(Topic* topic, Framing framing) : subscription(topic, framing, this) {
    subscription.Wait();
  }
  void OnMessages() override {
    ++notified;
    Read();
  }
  void OnTooSlow() override {
    ++kicked;
    subscription.Cut(0);
  }
  void Read() {
    iovec pieces[16];
    while (appetite > 0) {
      const std::size_t count = subscription.Gather(pieces, appetite);
      if (count == 0) break;
      for (std::size_t i = 0; i < count; ++i) {
        got.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
        appetite -= pieces[i].iov_len;
        subscription.Consume(pieces[i].iov_len);
      }
    }
    if (subscription.pending_bytes() == 0) subscription.Wait();
  }

  std::size_t appetite = 1'000'000'000;
  int notified = 0;
  int kicked = 0;
  std::string got;
  Subscription subscription;
};

TEST_CASE("topic: many messages of a turn are one notification") {
  BlockPool pool;
  Topic topic("t", &pool);
  Listener listener(&topic, Framing::kLines);
  topic.Publish("a");
  topic.Publish("b");
  CHECK(listener.got.empty());
  topic.Deliver(1000);
  CHECK(listener.notified == 1);
  CHECK(listener.got == "a\nb\n");
  topic.Deliver(1000);
  CHECK(listener.notified == 2);
}

TEST_CASE("topic: one that has not read everything is not notified again") {
  BlockPool pool;
  Topic topic("t", &pool);
  Listener stalled(&topic, Framing::kLines);
  stalled.appetite = 0;
  for (int i = 0; i < 10; ++i) {
    topic.Publish("m");
    topic.Deliver(1000);
  }
  CHECK(stalled.notified == 1);
  CHECK(stalled.subscription.lag_messages() == 10);
}

TEST_CASE("topic: each subscriber has the messages in its own framing") {
  BlockPool pool;
  Topic topic("t", &pool);
  Listener lines(&topic, Framing::kLines);
  Listener parts(&topic, Framing::kMultipart);
  topic.Publish("hello");
  topic.Deliver(1000);
  CHECK(lines.got == "hello\n");
  CHECK(parts.got == "content-type: */*\r\ncontent-length: 5\r\n\r\nhello\r\n--xXPubSubXx\r\n");
  CHECK(topic.subscribers() == 2);
}

TEST_CASE("topic: lines of a body are messages") {
  struct Case {
    std::string_view body;
    std::uint64_t count;
    std::string_view got;
  };
  for (const Case& c :
       {Case{"", 0, ""}, Case{"a", 1, "a\n"}, Case{"a\n", 1, "a\n"}, Case{"a\nb", 2, "a\nb\n"},
        Case{"a\r\nb\r\n", 2, "a\r\nb\r\n"}, Case{"\n", 1, "\n"}, Case{"a\n\nb\n", 3, "a\n\nb\n"},
        Case{"\n\n", 2, "\n\n"}, Case{{"x\0y", 3}, 1, {"x\0y\n", 4}}}) {
    CAPTURE(c.body);
    BlockPool pool;
    Topic topic("t", &pool);
    Listener listener(&topic, Framing::kLines);
    CHECK(topic.PublishLines(c.body) == c.count);
    topic.Deliver(1000);
    CHECK(listener.got == c.got);
    CHECK(topic.next_offset() == c.count);
  }
}

TEST_CASE("topic: offsets count every message, also those nobody heard") {
  BlockPool pool;
  Topic topic("t", &pool);
  topic.Publish("unheard");
  CHECK(pool.live_blocks() == 0);
  Listener listener(&topic, Framing::kLines);
  CHECK(listener.subscription.offset() == 1);
  topic.Publish("heard");
  topic.Deliver(1000);
  CHECK(listener.subscription.offset() == 2);
  CHECK(topic.next_offset() == 2);
  CHECK(topic.published_bytes() == 12);
}

TEST_CASE("topic: a slow consumer is kicked, the others go on") {
  BlockPool pool;
  Topic topic("t", &pool);
  Listener stalled(&topic, Framing::kLines);
  Listener quick(&topic, Framing::kLines);
  stalled.appetite = 0;
  std::string expected;
  for (int i = 0; i < 30; ++i) {
    topic.Publish(std::string(99, 'm'));
    expected += std::string(99, 'm') + "\n";
    topic.Deliver(1000);
  }
  CHECK(stalled.kicked == 1);
  CHECK(quick.kicked == 0);
  CHECK(quick.got == expected);
  CHECK(topic.subscribers() == 1);
  CHECK(pool.live_blocks() == 0);
}

TEST_CASE("topic: the memory goes with the last subscriber") {
  BlockPool pool;
  Topic topic("t", &pool);
  {
    Listener stalled(&topic, Framing::kMultipart);
    stalled.appetite = 0;
    for (int i = 0; i < 100; ++i) topic.Publish(std::string(10'000, 'm'));
    CHECK(topic.held_bytes() > 1'000'000);
  }
  CHECK(topic.held_bytes() == 0);
  CHECK(pool.live_bytes() == 0);
  CHECK(topic.subscribers() == 0);
}

TEST_CASE("topic: a subscriber may leave while it is being notified") {
  struct Leaver final : SubscriptionListener {
    explicit Leaver(Topic* topic) : subscription(topic, Framing::kLines, this) {
      subscription.Wait();
    }
    void OnMessages() override { subscription.Leave(); }
    void OnTooSlow() override {}
    Subscription subscription;
  };
  BlockPool pool;
  Topic topic("t", &pool);
  Leaver first(&topic);
  Listener second(&topic, Framing::kLines);
  Leaver third(&topic);
  topic.Publish("m");
  topic.Deliver(1000);
  CHECK(topic.subscribers() == 1);
  CHECK(second.got == "m\n");
}

TEST_CASE("topics: a name is 1 to 64 letters, digits, dots, underscores and dashes") {
  TopicSet topics(10);
  CHECK(topics.Get("Az0._-").ok());
  CHECK(topics.Get(std::string(64, 'a')).ok());
  for (const std::string& name :
       {std::string(), std::string(65, 'a'), std::string("a,b"), std::string("*"),
        std::string("a b"), std::string("a/b"), std::string("\xc3\xa9"), std::string("a\n")}) {
    const auto refused = topics.Get(name);
    CHECK_FALSE(refused.ok());
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
    CHECK(refused.status().message().find('\n') == std::string::npos);
  }
  CHECK(topics.size() == 2);
}

TEST_CASE("topics: the same name is the same topic") {
  TopicSet topics(10);
  Topic* const a = *topics.Get("a");
  CHECK(*topics.Get("a") == a);
  CHECK(topics.Find("a") == a);
  CHECK(topics.Find("b") == nullptr);
  CHECK(*topics.Get("b") != a);
}

TEST_CASE("topics: a full set refuses a new name, but forgets a topic nobody could miss") {
  TopicSet topics(2);
  (*topics.Get("a"))->Publish("m");
  {
    const Listener listener(*topics.Get("b"), Framing::kLines);
    const auto refused = topics.Get("c");
    CHECK_FALSE(refused.ok());
    CHECK(refused.status().code() == StatusCode::kExhausted);
  }
  CHECK(topics.Get("c").ok());
  CHECK(topics.Find("b") == nullptr);
  CHECK(topics.Find("a")->next_offset() == 1);
}

TEST_CASE("topics: only what was published to is delivered") {
  TopicSet topics(10);
  Listener a(*topics.Get("a"), Framing::kLines);
  Listener b(*topics.Get("b"), Framing::kLines);
  topics.Find("a")->Publish("m");
  topics.Published(topics.Find("a"));
  topics.Published(topics.Find("a"));
  topics.Deliver(1000);
  CHECK(a.notified == 1);
  CHECK(b.notified == 0);
  topics.Deliver(1000);
  CHECK(a.notified == 1);
}

}  // namespace
}  // namespace rivulet
