#include "pubsub/publish_socket.h"

#include <doctest/doctest.h>

#include <string>

#include "http/upload.h"
#include "pubsub/publisher.h"
#include "pubsub/topic_set.h"

namespace rivulet {
namespace {

// Takes what it is given, `room` bytes at a time, while it is not blocked.
struct FakeStream final : Stream {
  void Wake() override {
    while (!is_blocked && !ended) {
      iovec piece{};
      const auto gathered = source->Gather({&piece, 1}, room);
      if (gathered.pieces > 0) {
        got.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
        source->Consume(piece.iov_len);
      }
      ended = gathered.end;
      if (gathered.pieces == 0) return;
    }
  }
  bool blocked() const override { return is_blocked; }
  std::size_t promised_bytes() const override { return 0; }
  void PauseReading(bool now) override { paused = now; }
  void Abort() override {}
  void EndWithin(Duration) override {}
  std::string_view peer() const override { return "fake"; }

  StreamSource* source = nullptr;
  std::size_t room = 1000;
  std::string got;
  bool is_blocked = false;
  bool paused = false;
  bool ended = false;
};

struct Setup {
  Setup()
      : topics({10, {1 << 20, {}}}),
        publisher({&topics, nullptr, &loop, &clock, &received, [] {}}),
        answers(&publisher),
        socket(&publisher, PublishParams{"t", PublishParams::Format::kWhole, ""}, &answers) {
    stream.source = &answers;
    answers.Attached(&stream);
  }

  EventLoop loop;
  FakeClock clock;
  Counter received;
  TopicSet topics;
  Publisher publisher;
  FakeStream stream;
  PublishAnswers answers;
  PublishSocket socket;
};

// A text frame below 126 bytes: RFC 6455 5.2.
std::string Frame(const std::string& text) {
  return std::string("\x81") + static_cast<char>(text.size()) + text;
}

TEST_CASE("publishing by WebSocket: a turn's messages are told once, at its end") {
  Setup setup;
  CHECK(setup.socket.OnMessage("a", true).empty());
  CHECK(setup.socket.OnMessage("b\nc", false).empty());
  CHECK(setup.stream.got.empty());
  setup.loop.RunOnce(std::chrono::milliseconds(50));
  CHECK(setup.stream.got == Frame(R"({"published":2,"offset":1})"));
  CHECK(setup.topics.Find("t")->next_offset() == 2);
}

TEST_CASE("publishing by WebSocket: who does not read is told the newest number alone") {
  Setup setup;
  setup.stream.is_blocked = true;
  for (int i = 0; i < 5; ++i) {
    setup.socket.OnMessage("m", true);
    setup.loop.RunOnce(std::chrono::milliseconds(50));
  }
  setup.stream.is_blocked = false;
  setup.stream.room = 3;  // and in pieces
  setup.stream.Wake();
  CHECK(setup.stream.got == Frame(R"({"published":5,"offset":4})"));
}

TEST_CASE("publishing by WebSocket: a drain tells what was published, then closes with 1001") {
  Setup setup;
  setup.socket.OnMessage("a", true);
  setup.answers.Drain();
  CHECK_FALSE(setup.stream.ended);
  setup.socket.OnMessage("late", true);
  setup.loop.RunOnce(std::chrono::milliseconds(50));
  const std::string told = Frame(R"({"published":1,"offset":0})");
  REQUIRE(setup.stream.got.size() > told.size() + 4);
  CHECK(setup.stream.got.substr(0, told.size()) == told);
  CHECK(setup.stream.got[told.size()] == '\x88');
  CHECK(setup.stream.got.substr(told.size() + 2, 2) == "\x03\xe9");  // 1001
  CHECK(setup.stream.ended);
  CHECK(setup.topics.Find("t")->next_offset() == 1);
}

TEST_CASE("publishing by WebSocket: what cannot be published closes with 1011 and why") {
  Setup setup;
  for (int i = 0; i < 10; ++i) {
    setup.publisher.PublishMessage(*setup.publisher.Find("t" + std::to_string(i)), "m");
  }
  setup.socket.OnMessage("a", true);
  REQUIRE(setup.stream.got.size() > 4);
  CHECK(setup.stream.got[0] == '\x88');
  CHECK(setup.stream.got.substr(2, 2) == "\x03\xf3");  // 1011
  CHECK(setup.stream.got.find("--max-topics") != std::string::npos);
  CHECK(setup.stream.ended);
}

TEST_CASE(
    "publishing by WebSocket: a client is read no further than some MiB beyond what is safe") {
  Setup setup;
  const std::string message(kMaxUnsafeUploadBytes / 4, 'm');
  for (int i = 0; i < 3; ++i) setup.socket.OnMessage(message, true);
  CHECK_FALSE(setup.stream.paused);
  setup.socket.OnMessage(message, true);
  CHECK(setup.stream.paused);
  setup.loop.RunOnce(std::chrono::milliseconds(50));
  CHECK_FALSE(setup.stream.paused);
}

}  // namespace
}  // namespace rivulet
