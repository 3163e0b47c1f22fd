#include "pubsub/subscriber.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/pubsub/subscriber_support.h"

namespace rivulet {
namespace {

using test::Bodies;
using test::Event;
using test::PlainTopics;
using test::ReadStream;
using test::Socket;
using Kind = ReplayStart::Kind;
using Strings = std::vector<std::string>;

constexpr ReplayStart kEarliest{.kind = Kind::kEarliest};

SubscriberConfig Config(Framing framing, bool skips = false) {
  SubscriberConfig config;
  config.id = 1;
  config.framing = framing;
  config.skips_when_slow = skips;
  return config;
}

struct SubscriberCase {
  void Publish(const std::string& body) { topics.Publish("t1", body); }
  void Deliver() { topics.set.Deliver(1000); }
  void PublishUntilKicked(Socket* socket, const std::string& body) {
    for (int i = 0; i < 100 && !socket->kicked_for; ++i) {
      Publish(body);
      Deliver();
    }
    CHECK(socket->kicked_for == KickReason::kTooSlow);
    CHECK(socket->kicked_at_bytes > 1000);
  }

  PlainTopics topics;
  Feed* feed = topics.FeedOf("t1");
};

std::string Notice(const Socket& socket) {
  return "ERROR_TOO_SLOW. kicked for having " + std::to_string(socket.kicked_at_bytes) +
         " pending bytes";
}

TEST_CASE("subscriber: the preamble comes first, then each message") {
  SubscriberCase c;
  Socket socket(&c.topics.set, c.feed, Config(Framing::kLines));
  c.Publish("early");
  socket.Wake();
  CHECK(socket.got == "\r\nearly\n");
  c.Publish("late");
  c.Deliver();
  CHECK(socket.got == "\r\nearly\nlate\n");
  CHECK(socket.sent == 2);
  CHECK(socket.source->sent_messages() == 2);
}

TEST_CASE("subscriber: a socket that takes a byte at a time gets the same bytes") {
  SubscriberCase c;
  c.Publish("hello");
  for (const bool past : {false, true}) {
    Socket socket(&c.topics.set, c.feed, Config(Framing::kMultipart),
                  past ? kEarliest : ReplayStart());
    if (!past) c.Publish("hello");
    c.Publish("world");
    for (int i = 0; i < 300; ++i) {
      socket.room = 1;
      socket.Wake();
    }
    const std::string hello =
        "content-type: */*\r\ncontent-length: 5\r\n\r\nhello\r\n--xXPubSubXx\r\n";
    const std::string world =
        "content-type: */*\r\ncontent-length: 5\r\n\r\nworld\r\n--xXPubSubXx\r\n";
    CHECK(socket.got == "--xXPubSubXx\r\n" + (past ? hello + hello + world : hello) + world);
    CHECK(socket.sent == (past ? 4 : 2));
  }
}

TEST_CASE("subscriber: one kicked between messages is told why and ended") {
  SubscriberCase c;
  Socket socket(&c.topics.set, c.feed, Config(Framing::kLines));
  socket.Wake();
  socket.room = 0;
  c.Publish(std::string(99, 'm'));
  c.Deliver();
  c.PublishUntilKicked(&socket, std::string(99, 'm'));
  CHECK(socket.limited);
  CHECK(c.feed->subscribers() == 0);
  CHECK(c.feed->held_bytes() == 0);
  socket.TakeAll();
  CHECK(socket.ended);
  CHECK(socket.got == "\r\n" + Notice(socket) + "\n");
}

TEST_CASE("subscriber: one kicked within a message gets the rest of it, then the notice") {
  SubscriberCase c;
  Socket socket(&c.topics.set, c.feed, Config(Framing::kLines));
  socket.Wake();
  socket.room = 100'000;
  const std::string large(300'000, 'L');
  c.PublishUntilKicked(&socket, large);
  while (!socket.ended) {
    socket.room = 777;
    socket.Wake();
  }
  CHECK(socket.got == "\r\n" + large + "\n" + Notice(socket) + "\n");
  CHECK(socket.sent == 1);
  CHECK(c.feed->held_bytes() == 0);
}

TEST_CASE("subscriber: one kicked before it took the preamble still gets a well-formed stream") {
  SubscriberCase c;
  Socket socket(&c.topics.set, c.feed, Config(Framing::kLines));
  socket.room = 1;
  socket.Wake();
  c.PublishUntilKicked(&socket, std::string(99, 'm'));
  socket.TakeAll();
  CHECK(socket.ended);
  CHECK(socket.got == "\r\n" + Notice(socket) + "\n");
}

TEST_CASE("subscriber: one that skips is told what it missed, and goes on at now") {
  for (const Framing framing :
       {Framing::kLines, Framing::kFramedAt, Framing::kSse, Framing::kWebSocketAt}) {
    SubscriberCase c;
    Socket socket(&c.topics.set, c.feed, Config(framing, true));
    socket.Wake();
    socket.room = 10;
    std::uint64_t published = 0;
    for (; published < 100; ++published) {
      c.Publish("m" + std::to_string(published) + std::string(200, 'm'));
      c.Deliver();
    }
    CHECK(socket.skipped > 80);
    CHECK_FALSE(socket.kicked_for.has_value());
    // What was promised is still whole, the rest is one gap however often it skipped.
    socket.TakeAll();
    c.Publish("mlast");
    c.Deliver();
    const std::vector<Event> events = socket.Read();
    const auto gap = std::find_if(events.begin(), events.end(), [](const Event& event) {
      return event.kind == Event::Kind::kGap;
    });
    REQUIRE(gap != events.end());
    const auto before = static_cast<std::uint64_t>(gap - events.begin());
    CHECK(before == 1);
    const Gap told = test::ReadGap(gap->body);
    CHECK(told.missed == socket.skipped);
    CHECK(told.next == before + socket.skipped);
    const Strings bodies = Bodies(events);
    CHECK(bodies.size() == 101 - socket.skipped);
    CHECK(bodies.back() == "mlast");
    CHECK(bodies[1].starts_with("m" + std::to_string(told.next)));
    CHECK(socket.sent == bodies.size());
    CHECK(socket.source->skipped_messages() == socket.skipped);
  }
}

TEST_CASE("subscriber: the past comes first, then what is published, none missed and none twice") {
  SubscriberCase c;
  c.Publish("m0");
  c.Publish("m1");
  Socket socket(&c.topics.set, c.feed, Config(Framing::kLinesAt), kEarliest);
  CHECK(socket.source->replaying());
  CHECK(socket.source->lag_messages() == 2);
  CHECK(socket.source->first_position() == 0);
  c.Publish("m2");
  c.Deliver();
  socket.Wake();
  CHECK_FALSE(socket.source->replaying());
  c.Publish("m3");
  c.Deliver();
  CHECK(socket.got == "0 m0\n1 m1\n2 m2\n3 m3\n");
}

TEST_CASE("subscriber: a gap at the beginning is told in the stream to browsers alone") {
  SubscriberCase c;
  for (const char* body : {"m0", "m1", "m2"}) c.Publish(body);
  c.topics.past("t1").LetGo(2);
  const ReplayStart from{.kind = Kind::kPosition, .position = 0};
  for (std::size_t i = 0; i < kFramingCount; ++i) {
    const auto framing = static_cast<Framing>(i);
    Socket socket(&c.topics.set, c.feed, Config(framing), from);
    REQUIRE(socket.source->first_gap().has_value());
    CHECK(socket.source->first_gap()->missed == 2);
    CHECK(socket.source->first_position() == 2);
    socket.Wake();
    const std::vector<Event> events = socket.Read();
    const bool browser = framing == Framing::kSse || IsWebSocket(framing);
    REQUIRE(events.size() == (browser ? 2 : 1));
    CHECK(events.back().body == "m2");
    if (browser) CHECK(test::ReadGap(events[0].body).missed == 2);
  }
}

TEST_CASE("subscriber: `until` ends the stream after the message before it, past or live") {
  for (const Framing framing : {Framing::kLines, Framing::kSse, Framing::kWebSocket}) {
    SubscriberCase c;
    c.Publish("m0");
    SubscriberConfig config = Config(framing);
    config.until = 2;
    Socket live(&c.topics.set, c.feed, config);
    Socket past(&c.topics.set, c.feed, config, kEarliest);
    live.Wake();
    past.Wake();
    CHECK_FALSE(past.ended);
    c.Publish("m1");
    c.Publish("m2");
    c.Deliver();
    CHECK(live.ended);
    CHECK(past.ended);
    CHECK(Bodies(live.Read()) == Strings{"m1"});
    CHECK(Bodies(past.Read()) == Strings{"m0", "m1"});
    Socket none(&c.topics.set, c.feed, config);
    none.Wake();
    CHECK(none.ended);
    CHECK(Bodies(none.Read()).empty());
    if (framing == Framing::kWebSocket) CHECK(none.Read().back().position == "1000");
    CHECK(c.feed->subscribers() == 0);
  }
}

TEST_CASE("subscriber: a drain sends what is unread, then ends") {
  SubscriberCase c;
  Socket socket(&c.topics.set, c.feed, Config(Framing::kWebSocket));
  socket.room = 3;
  c.Publish("one");
  socket.Wake();
  c.Publish("two");
  socket.source->Drain();
  socket.Wake();
  CHECK_FALSE(socket.ended);
  socket.TakeAll();
  CHECK(socket.ended);
  const auto events = socket.Read();
  CHECK(Bodies(events) == Strings{"one", "two"});
  CHECK(events.back().position == "1001");
}

TEST_CASE("subscriber: a drain ends one that reads the past at the next message") {
  SubscriberCase c;
  const std::string large(200'000, 'm');
  c.Publish(large);
  c.Publish("m1");
  Socket socket(&c.topics.set, c.feed, Config(Framing::kLines), kEarliest);
  socket.room = 100'000;
  socket.Wake();
  socket.source->Drain();
  socket.TakeAll();
  CHECK(socket.ended);
  CHECK(socket.got == "\r\n" + large + "\n");
}

TEST_CASE("subscriber: one that falls off the past while it reads is kicked, or skips") {
  for (const bool skips : {false, true}) {
    SubscriberCase c;
    const std::string body(10'000, 'm');
    for (int i = 0; i < 20; ++i) c.Publish(body);
    Socket socket(&c.topics.set, c.feed, Config(Framing::kLines, skips), kEarliest);
    socket.room = 15'000;
    socket.Wake();
    c.topics.past("t1").LetGo(15);
    socket.TakeAll();
    const auto events = socket.Read();
    // Six fill a gathering, and were promised.
    if (skips) {
      CHECK(events.size() == 6 + 1 + 5);
      CHECK(test::ReadGap(events[6].body).missed == 9);
      CHECK(test::ReadGap(events[6].body).next == 15);
      CHECK(socket.skipped == 9);
      CHECK_FALSE(socket.ended);
    } else {
      CHECK(events.size() == 7);
      CHECK(events.back().body == Notice(socket));
      CHECK(socket.kicked_for == KickReason::kFellOff);
      CHECK(socket.ended);
      CHECK(c.feed->subscribers() == 0);
    }
  }
}

TEST_CASE("subscriber: one whose past cannot be read is cut, a WebSocket told") {
  for (const Framing framing : {Framing::kLines, Framing::kWebSocket}) {
    SubscriberCase c;
    c.Publish("m0");
    Socket socket(&c.topics.set, c.feed, Config(framing), kEarliest);
    c.topics.past("t1").failing = true;
    socket.Wake();
    CHECK(socket.kicked_for == KickReason::kUnreadable);
    socket.loop.RunOnce(std::chrono::seconds(1));
    CHECK(socket.ended);
    CHECK(socket.aborted == (framing == Framing::kLines));
    if (framing == Framing::kWebSocket) CHECK(socket.Read().back().position == "1011");
  }
}

TEST_CASE("subscriber: the parts of a large message say that they end inside it") {
  SubscriberCase c;
  const std::string large(2 * kMaxGatherBytes, 'm');
  c.Publish(large);
  for (const bool past : {false, true}) {
    Socket socket(&c.topics.set, c.feed, Config(Framing::kLines), past ? kEarliest : ReplayStart());
    if (!past) c.Publish(large);
    socket.Wake();
    const std::size_t begin = 2;
    CHECK(socket.splits[0] == begin + kMaxGatherBytes);
    CHECK(socket.splits[1] == begin + 2 * kMaxGatherBytes);
    CHECK(socket.ends[1] == begin + large.size() + 1);
  }
}

TEST_CASE("subscriber: whole messages that fill a gathering do not split one") {
  SubscriberCase c;
  const std::string half(kMaxGatherBytes / 2 - 1, 'm');
  c.Publish(half);
  c.Publish(half);
  for (const bool past : {false, true}) {
    Socket socket(&c.topics.set, c.feed, Config(Framing::kLines), past ? kEarliest : ReplayStart());
    if (!past) c.Publish(half);
    c.Publish(half);
    socket.Wake();
    CHECK(socket.splits.empty());
    CHECK(std::count(socket.ends.begin(), socket.ends.end(), 2 + kMaxGatherBytes) == 1);
  }
}

// Turns the loop until the heartbeats have come, or far too long has passed.
void AwaitHeartbeat(Socket* socket, std::size_t bytes) {
  for (int i = 0; i < 1000 && socket->got.size() < bytes; ++i) {
    socket->loop.RunOnce(std::chrono::milliseconds(10));
  }
}

TEST_CASE("subscriber: heartbeats stand between messages, one after a time of silence") {
  SubscriberCase c;
  SubscriberConfig config = Config(Framing::kLines);
  config.heartbeat = std::chrono::milliseconds(1);
  Socket socket(&c.topics.set, c.feed, config);
  const std::string beat = "{\"_heartbeat_\":1331923247}\n";  // of the fake clock
  socket.room = 2 + beat.size();
  AwaitHeartbeat(&socket, socket.room);
  CHECK(socket.got == "\r\n" + beat);
  // Stalled within what was promised, at the end of a message or inside it, it is told nothing
  // until that is out, and then once.
  std::string expected = socket.got;
  for (const std::size_t taken : {3, 1}) {
    c.Publish("m0");
    c.Publish("m1");
    socket.room = taken;
    socket.Wake();
    for (int i = 0; i < 5; ++i) socket.loop.RunOnce(std::chrono::milliseconds(10));
    socket.room = 6 - taken + beat.size();
    socket.Wake();
    expected += "m0\nm1\n" + beat;
    CHECK(socket.got == expected);
  }
}

}  // namespace
}  // namespace rivulet
