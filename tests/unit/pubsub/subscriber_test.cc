#include "pubsub/subscriber.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace rivulet {
namespace {

// A connection whose socket takes `room` bytes, and which keeps the promises of http/stream.h.
struct Socket final : Stream, SubscriberObserver {
  explicit Socket(Topic* topic, Framing framing = Framing::kLines)
      : source(topic, framing, {.id = 1, .client = {}, .connected_at = {}}, this) {
    source.Attached(this);
  }
  void Wake() override {
    while (!ended) {
      iovec pieces[4];
      const std::size_t max_bytes = promised > 0 ? promised : kMaxGatherBytes;
      const auto gathered = source.Gather(pieces, max_bytes);
      std::size_t bytes = 0;
      std::size_t taken = 0;
      for (std::size_t i = 0; i < gathered.pieces; ++i) {
        const std::size_t part = std::min(pieces[i].iov_len, room);
        got.append(static_cast<const char*>(pieces[i].iov_base), part);
        room -= part;
        taken += part;
        bytes += pieces[i].iov_len;
      }
      REQUIRE(bytes <= max_bytes);
      REQUIRE((promised == 0 || bytes == promised));
      ended = bytes == 0 && gathered.end;
      promised = bytes - taken;
      if (taken > 0) source.Consume(taken);
      if (bytes == 0 || promised > 0) return;
    }
  }
  bool blocked() const override { return room == 0; }
  std::size_t promised_bytes() const override { return promised; }
  void Abort() override {}
  void EndWithin(Duration) override { limited = true; }
  std::string_view peer() const override { return "127.0.0.1:4711"; }

  void OnSent(std::uint64_t messages) override { sent += messages; }
  void OnKicked(const Subscriber&, std::uint64_t pending_bytes) override { kicked = pending_bytes; }
  void OnGone(const Subscriber&) override {}

  std::size_t room = 1'000'000;
  std::size_t promised = 0;
  bool ended = false;
  bool limited = false;
  std::uint64_t sent = 0;
  std::uint64_t kicked = 0;
  std::string got;
  Subscriber source;
};

void PublishUntilKicked(Topic* topic, Socket* socket, const std::string& message) {
  for (int i = 0; i < 100 && socket->kicked == 0; ++i) {
    topic->Publish(message);
    topic->Deliver(1000);
  }
  REQUIRE(socket->kicked > 1000);
}

std::string Notice(const Socket& socket) {
  return "ERROR_TOO_SLOW. kicked for having " + std::to_string(socket.kicked) + " pending bytes\n";
}

TEST_CASE("subscriber: the preamble comes first, then each message") {
  BlockPool pool;
  Topic topic("t", &pool);
  Socket socket(&topic);
  topic.Publish("early");
  socket.Wake();
  CHECK(socket.got == "\r\nearly\n");
  topic.Publish("late");
  topic.Deliver(1000);
  CHECK(socket.got == "\r\nearly\nlate\n");
  CHECK(socket.sent == 2);
}

TEST_CASE("subscriber: a socket that takes a byte at a time gets the same bytes") {
  BlockPool pool;
  Topic topic("t", &pool);
  Socket socket(&topic, Framing::kMultipart);
  socket.room = 0;
  topic.Publish("hello");
  topic.Publish("world");
  for (int i = 0; i < 200; ++i) {
    socket.room = 1;
    socket.Wake();
  }
  CHECK(socket.got ==
        "--xXPubSubXx\r\n"
        "content-type: */*\r\ncontent-length: 5\r\n\r\nhello\r\n--xXPubSubXx\r\n"
        "content-type: */*\r\ncontent-length: 5\r\n\r\nworld\r\n--xXPubSubXx\r\n");
  CHECK(socket.sent == 2);
}

TEST_CASE("subscriber: one kicked between messages is told why and ended") {
  BlockPool pool;
  Topic topic("t", &pool);
  Socket socket(&topic);
  socket.room = 2;
  socket.Wake();
  socket.promised = 0;
  PublishUntilKicked(&topic, &socket, std::string(99, 'm'));
  CHECK(socket.limited);
  CHECK(topic.subscribers() == 0);
  socket.room = 1'000'000;
  socket.Wake();
  CHECK(socket.ended);
  // The first message was promised, its chunk's size being on the wire.
  CHECK(socket.got == "\r\n" + std::string(99, 'm') + "\n" + Notice(socket));
}

TEST_CASE("subscriber: one kicked within a message gets the rest of it, then the notice") {
  BlockPool pool;
  Topic topic("t", &pool);
  Socket socket(&topic);
  socket.Wake();
  socket.room = 100'000;
  const std::string large(300'000, 'L');
  PublishUntilKicked(&topic, &socket, large);
  while (!socket.ended) {
    socket.room = 777;
    socket.Wake();
  }
  CHECK(socket.got == "\r\n" + large + "\n" + Notice(socket));
  CHECK(topic.held_bytes() == 0);
}

TEST_CASE("subscriber: one kicked before it took the preamble still gets a well-formed stream") {
  BlockPool pool;
  Topic topic("t", &pool);
  Socket socket(&topic);
  socket.room = 1;
  socket.Wake();
  PublishUntilKicked(&topic, &socket, std::string(99, 'm'));
  socket.room = 1'000'000;
  socket.Wake();
  CHECK(socket.ended);
  CHECK(socket.got == "\r\n" + Notice(socket));
}

TEST_CASE("subscriber: a drain sends what is unread, then ends") {
  BlockPool pool;
  Topic topic("t", &pool);
  Socket socket(&topic);
  socket.room = 3;
  topic.Publish("one");
  socket.Wake();
  topic.Publish("two");
  socket.source.Drain();
  socket.Wake();
  CHECK_FALSE(socket.ended);
  socket.room = 1'000'000;
  socket.Wake();
  CHECK(socket.ended);
  CHECK(socket.got == "\r\none\ntwo\n");
}

}  // namespace
}  // namespace rivulet
