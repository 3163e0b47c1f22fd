#include "pubsub/topic.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "pubsub/topic_set.h"
#include "tests/unit/pubsub/feed_listener.h"

namespace rivulet {
namespace {

constexpr WallTime kNow{std::chrono::seconds(1'331'923'247)};

struct Fixture {
  explicit Fixture(std::size_t max_topics = 10, Retention retention = {})
      : topics({max_topics, retention}) {}

  Feed* FeedOf(std::string_view selection, std::shared_ptr<Filter> filter = nullptr) {
    return *topics.FeedOf(*Selection::Parse(selection), std::move(filter));
  }
  void Publish(std::string_view topic, std::string_view body) {
    topics.Publish(*topics.Get(topic), body, kNow);
  }

  TopicSet topics;
};

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
    Fixture f;
    FeedListener listener(f.FeedOf("t"));
    CHECK(f.topics.PublishLines(*f.topics.Get("t"), c.body, kNow) == c.count);
    f.topics.Deliver(1000);
    CHECK(listener.got == c.got);
    CHECK(f.topics.Find("t")->next_offset() == c.count);
  }
}

TEST_CASE("topic: offsets count every message, also those nobody heard") {
  Fixture f;
  f.Publish("t", "unheard");
  CHECK(f.topics.pool().live_blocks() == 0);
  FeedListener listener(f.FeedOf("t"), Framing::kLinesAt);
  f.Publish("t", "heard");
  f.topics.Deliver(1000);
  CHECK(listener.got == "1 heard\n");
  const Topic* const topic = f.topics.Find("t");
  CHECK(topic->next_offset() == 2);
  CHECK(topic->end_offset() == 2);
  CHECK(topic->first_offset() == 2);
  CHECK(topic->published_bytes() == 12);
}

TEST_CASE("topic: subscribers and what is held for them are counted over all feeds") {
  Fixture f;
  const FeedListener one(f.FeedOf("a"));
  const FeedListener two(f.FeedOf("a,b"));
  const FeedListener three(f.FeedOf("*"));
  const FeedListener four(f.FeedOf("*", std::make_shared<FakeFilter>("x")));
  f.Publish("a", "123456789");
  f.Publish("b", "12345678x");
  CHECK(f.topics.Find("a")->subscribers() == 4);
  CHECK(f.topics.Find("b")->subscribers() == 3);
  CHECK(f.topics.Find("a")->held_bytes() == 10 + 20 + 20 + 10);
}

TEST_CASE("topics: a name is 1 to 64 letters, digits, dots, underscores and dashes") {
  Fixture f;
  CHECK(f.topics.Get("Az0._-").ok());
  CHECK(f.topics.Get(std::string(64, 'a')).ok());
  for (const std::string& name :
       {std::string(), std::string(65, 'a'), std::string("a,b"), std::string("*"),
        std::string("a b"), std::string("a/b"), std::string("\xc3\xa9"), std::string("a\n")}) {
    const auto refused = f.topics.Get(name);
    CHECK_FALSE(refused.ok());
    CHECK(refused.status().code() == StatusCode::kInvalidArgument);
    CHECK(refused.status().message().find('\n') == std::string::npos);
  }
  CHECK(f.topics.size() == 2);
}

TEST_CASE("topics: the same name is the same topic, and has a number of its own") {
  Fixture f;
  Topic* const a = *f.topics.Get("a");
  CHECK(*f.topics.Get("a") == a);
  CHECK(f.topics.Find("a") == a);
  CHECK(f.topics.Find("b") == nullptr);
  CHECK(*f.topics.Get("b") != a);
  CHECK(a->number() == 0);
  CHECK(f.topics.Find("b")->number() == 1);
}

TEST_CASE("topics: a full set refuses a new name, but forgets a topic nobody could miss") {
  Fixture f(2);
  f.Publish("a", "m");
  {
    const FeedListener listener(f.FeedOf("b"));
    const auto refused = f.topics.Get("c");
    CHECK_FALSE(refused.ok());
    CHECK(refused.status().code() == StatusCode::kExhausted);
    CHECK_FALSE(f.topics.FeedOf(*Selection::Parse("b,c"), nullptr).ok());
  }
  f.topics.Drop(f.FeedOf("b"));
  const FeedListener everything(f.FeedOf("*"));  // names none
  CHECK(f.topics.Get("c").ok());
  CHECK(f.topics.Find("b") == nullptr);
  CHECK(f.topics.Find("a")->next_offset() == 1);
  CHECK(everything.subscription.feed()->topics() ==
        std::vector<Topic*>{f.topics.Find("a"), f.topics.Find("c")});
}

TEST_CASE("topics: the names of a selection do not push each other out") {
  Fixture f(2);
  CHECK(f.topics.Get("z").ok());
  const FeedListener listener(f.FeedOf("a,b"));
  CHECK(f.topics.Find("a") != nullptr);
  CHECK(f.topics.Find("b") != nullptr);
  f.Publish("a", "1");
  f.Publish("b", "2");
  CHECK(listener.subscription.lag_messages() == 2);
}

TEST_CASE("feeds: the same selection and filter are the same feed, until nobody listens") {
  Fixture f;
  const auto filter = std::make_shared<FakeFilter>("x");
  auto a = std::make_unique<FeedListener>(f.FeedOf("a,b"));
  Feed* const feed = a->subscription.feed();
  CHECK(f.FeedOf("b,a,b") == feed);
  CHECK(f.FeedOf("a,b", filter) != feed);
  CHECK(f.FeedOf("a,b", filter) == f.FeedOf("a,b", filter));
  CHECK(f.FeedOf("a") != feed);
  CHECK(f.topics.feeds() == 3);
  f.topics.Drop(feed);
  CHECK(f.topics.feeds() == 3);
  a->subscription.Leave();
  f.topics.Drop(feed);
  f.topics.Drop(f.FeedOf("a,b", filter));
  f.topics.Drop(f.FeedOf("a"));
  CHECK(f.topics.feeds() == 0);
  CHECK(f.topics.Find("a")->feeds().empty());
  f.topics.Drop(feed);  // its subscription is there still, and so is it
  a.reset();
  f.Publish("a", "m");
  f.topics.Deliver(1000);
}

TEST_CASE("feeds: a new topic joins those whose patterns match it") {
  Fixture f;
  f.Publish("clicks.eu", "before");
  FeedListener clicks(f.FeedOf("clicks.*"));
  FeedListener all(f.FeedOf("*"));
  FeedListener one(f.FeedOf("clicks.us"));
  f.Publish("clicks.us", "1");
  f.Publish("clicks.asia", "2");
  f.Publish("views", "3");
  f.Publish("clicks.eu", "4");
  f.topics.Deliver(1000);
  CHECK(clicks.got == "1\n2\n4\n");
  CHECK(all.got == "1\n2\n3\n4\n");
  CHECK(one.got == "1\n");
  CHECK(f.topics.end_sequence() == 5);
}

TEST_CASE("topics: only what was published to is delivered") {
  Fixture f;
  FeedListener a(f.FeedOf("a"));
  FeedListener b(f.FeedOf("b"));
  f.Publish("a", "m");
  f.Publish("a", "m");
  f.topics.Deliver(1000);
  CHECK(a.notified == 1);
  CHECK(b.notified == 0);
  f.topics.Deliver(1000);
  CHECK(a.notified == 1);
}

TEST_CASE("topics: who is told may make and drop feeds, and publish") {
  struct Busy final : SubscriptionListener {
    Busy(TopicSet* set, Feed* feed) : topics(set) { Listen(feed); }
    void Listen(Feed* feed) {
      subscription = std::make_unique<Subscription>(feed, Framing::kLines, this);
      subscription->GoLive();
      subscription->Wait();
    }
    void OnMessages() override {
      Feed* const feed = subscription->feed();
      subscription.reset();
      topics->Drop(feed);
      if (--turns == 0) return;
      Listen(*topics->FeedOf(*Selection::Parse(feed->selection().text() == "a" ? "a,b" : "a"),
                             nullptr));
      topics->Publish(topics->Find("a"), "m", kNow);
    }
    void OnTooSlow() override {}
    TopicSet* topics;
    int turns = 5;
    std::unique_ptr<Subscription> subscription;
  };
  Fixture f;
  Busy first(&f.topics, f.FeedOf("a"));
  Busy second(&f.topics, f.FeedOf("b"));
  f.Publish("a", "m");
  f.Publish("b", "m");
  for (int i = 0; i < 10; ++i) f.topics.Deliver(1000);
  CHECK(first.turns == 0);
  CHECK(second.turns == 0);
  CHECK(f.topics.feeds() == 0);
  CHECK(f.topics.pool().live_blocks() == 0);
}

TEST_CASE("topics: a past is kept where retention says so, with times that never go back") {
  Fixture f(10, {1000, std::chrono::seconds(60)});
  Topic* const topic = *f.topics.Get("t");
  f.topics.Publish(topic, "one", kNow);
  f.topics.Publish(*f.topics.Get("u"), "other", kNow + std::chrono::seconds(5));
  f.topics.Publish(topic, "two", kNow - std::chrono::hours(1));
  REQUIRE(topic->past() != nullptr);
  PastPlace place = *topic->past()->At(0);
  const auto one = *topic->past()->Next(&place);
  REQUIRE(one.has_value());
  CHECK(one->body == "one");
  const auto two = *topic->past()->Next(&place);
  REQUIRE(two.has_value());
  CHECK(two->body == "two");
  CHECK(two->sequence == 2);
  CHECK(two->time == kNow + std::chrono::seconds(5));
  CHECK(topic->retained_bytes() == 6);
  CHECK(topic->first_offset() == 0);
  CHECK(f.topics.memory_bytes() > 0);
  f.topics.Trim(kNow + std::chrono::seconds(66));
  CHECK(topic->first_offset() == 2);
  CHECK(f.topics.memory_bytes() == 0);
  CHECK((*Fixture().topics.Get("t"))->past() == nullptr);
}

struct Published {
  Topic* topic;
  std::uint64_t offset;
  std::uint64_t sequence;
  WallTime time;
  std::string body;
};

struct FakeLog final : TopicLog {
  void OnPublish(Topic* topic, const TopicMessage& message) override {
    published.push_back(
        {topic, message.offset, message.sequence, message.time, std::string(message.body)});
  }
  void Reveal(TopicSet* topics, std::size_t index) const {
    const Published& p = published[index];
    topics->Reveal(p.topic, {p.topic->name(), p.offset, p.sequence, p.time, p.body});
  }
  std::vector<Published> published;
};

TEST_CASE("topics: with a log a message is seen when the log reveals it") {
  FakeLog log;
  Fixture f;
  std::vector<std::string> pasts;
  f.topics.SetLog(&log, [&](Topic* topic) {
    pasts.push_back(topic->name());
    return nullptr;
  });
  FeedListener listener(f.FeedOf("a,b"), Framing::kLinesAt);
  f.Publish("a", "one");
  f.Publish("b", "two");
  f.topics.Deliver(1000);
  CHECK(listener.got.empty());
  const Topic* const a = f.topics.Find("a");
  CHECK(a->next_offset() == 1);
  CHECK(a->end_offset() == 0);
  CHECK(f.topics.next_sequence() == 2);
  CHECK(f.topics.end_sequence() == 0);
  log.Reveal(&f.topics, 0);
  f.topics.Deliver(1000);
  CHECK(listener.got == "0 a 0 one\n");
  CHECK(a->end_offset() == 1);
  log.Reveal(&f.topics, 1);
  f.topics.Deliver(1000);
  CHECK(listener.got == "0 a 0 one\n1 b 0 two\n");
  CHECK(f.topics.end_sequence() == 2);
  CHECK(pasts == std::vector<std::string>{"a", "b"});
}

TEST_CASE("topics: what comes back at the start goes on where it was") {
  FakeLog log;
  Fixture f(2);
  f.topics.SetLog(&log, [](Topic*) { return nullptr; });
  for (const char* name : {"a", "b", "c"}) CHECK(f.topics.Restore(name, 7, 0).ok() == true);
  Topic* const c = *f.topics.Restore("c", 7, 41);
  f.topics.RestoreOffset(f.topics.Find("a"), 5);
  f.topics.RestoreSequence(99, kNow);
  CHECK(c->next_offset() == 41);
  CHECK(c->end_offset() == 41);
  CHECK(f.topics.Restore("c", 8, 41).status().code() == StatusCode::kCorrupt);
  CHECK(f.topics.Restore("c d", 9, 0).status().code() == StatusCode::kCorrupt);
  f.topics.Publish(c, "m", kNow - std::chrono::hours(1));
  CHECK(log.published[0].offset == 41);
  CHECK(log.published[0].sequence == 99);
  CHECK(log.published[0].time == kNow);
  FeedListener listener(f.FeedOf("c"), Framing::kLinesAt);
  log.Reveal(&f.topics, 0);
  f.topics.Deliver(1000);
  CHECK(listener.got == "41 m\n");
  CHECK(f.topics.size() == 3);  // more than are allowed: what was there comes back
  CHECK_FALSE(f.topics.FeedOf(*Selection::Parse("d,e"), nullptr).ok());
}

}  // namespace
}  // namespace rivulet
