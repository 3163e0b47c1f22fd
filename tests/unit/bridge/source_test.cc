// Following a pubsub that answers exactly what is said here. What it sends is what the header of
// pubsub/framing.h says of kLines and kFramedAt.
#include "bridge/source.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bridge/source_url.h"
#include "tests/unit/bridge/scripted_source.h"

namespace rivulet {
namespace {

using test::kFramedHead;
using test::RunUntil;
using test::ScriptedSource;
using Messages = std::vector<std::string>;

struct Recorder final : PubsubSource::Sink {
  void OnMessage(std::string_view message, const SourcePosition& after) override {
    messages.emplace_back(message);
    last = after;
  }
  void OnTooLong(const SourcePosition& after) override {
    ++too_long;
    last = after;
  }
  bool full() const override { return is_full; }
  void OnSilence() override { ++silences; }
  void OnPosition(const SourcePosition& position) override { last = position; }
  void OnGap(std::optional<std::uint64_t> missed) override { gaps.push_back(missed); }

  Messages messages;
  SourcePosition last;
  std::vector<std::optional<std::uint64_t>> gaps;
  int too_long = 0;
  int silences = 0;
  bool is_full = false;
};

SourceConfig Config(const std::vector<std::string>& urls, bool positions = true) {
  SourceConfig config;
  for (const auto& url : urls) {
    config.urls.push_back(positions ? *PositionedSourceUrl(url) : *SourceUrl(url));
  }
  config.positions = positions;
  config.max_message_bytes = 1000;
  config.backoff = {std::chrono::milliseconds(1), std::chrono::milliseconds(2)};
  return config;
}

constexpr char kAsked[] = "/sub?multipart=0&format=framed&offsets=1&heartbeat=20s&since=";

TEST_CASE("source: begins with what comes now, and goes on after the last message") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  PubsubSource source(loop, client, Config({server.url()}), sink);
  source.Start();
  {
    auto first = server.Accept();
    CHECK(first.target() == std::string(kAsked) + "now");
    first.Head(std::string(kFramedHead) + "X-Offset: 40\r\n");
    RunUntil(loop, [&] { return sink.last.next == 40; });
    CHECK(source.connected());
    first.Send("40 3\none\n41 ");
    first.Send("3\ntwo");
    RunUntil(loop, [&] { return sink.messages.size() == 1; });
    first.Cut();  // "two" has no end yet
  }
  {
    auto second = server.Accept();
    CHECK(second.target() == std::string(kAsked) + "41");
    second.Head(std::string(kFramedHead) + "X-Offset: 41\r\n");
    second.Send("41 3\ntwo\n42 0\n\n43 4\na\nb\n\n");
    RunUntil(loop, [&] { return sink.messages.size() == 4; });
    second.End();
  }
  auto third = server.Accept();
  CHECK(third.target() == std::string(kAsked) + "44");
  CHECK(sink.messages == Messages{"one", "two", "", "a\nb\n"});
  CHECK(sink.gaps.empty());
  CHECK(source.reconnects() == 2);
}

TEST_CASE("source: a connection that ended before its first message is resumed where it began") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  PubsubSource source(loop, client, Config({server.url()}), sink);
  source.Start();
  {
    auto first = server.Accept();
    first.Head(std::string(kFramedHead) + "X-Offset: 7\r\n");
    RunUntil(loop, [&] { return sink.last.next.has_value(); });
  }
  CHECK(server.Accept().target() == std::string(kAsked) + "7");
}

TEST_CASE("source: gaps are told, and reading goes on behind them") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  auto config = Config({server.url() + "/sub?topic=a,b"});
  config.begin_at = {17};
  PubsubSource source(loop, client, config, sink);
  source.Start();
  {
    auto first = server.Accept();
    CHECK(first.target() ==
          "/sub?topic=a,b&multipart=0&format=framed&offsets=1&heartbeat=20s&since=17");
    first.Head(std::string(kFramedHead) + "X-Offset: 42\r\nX-Gap: missed=25 next=42\r\n");
    // Of several topics: the sequence counts.
    first.Send("42 a 5 2\nhi\n- 37\n{\"_gap_\":{\"missed\":null,\"next\":1000}}\n");
    RunUntil(loop, [&] { return sink.gaps.size() == 2; });
    CHECK(sink.last.next == 1000);
    first.Send("- 26\n{\"_heartbeat_\":1763722800}\n- 25\n{\"_heartbeat_\":1763722800}\n");
    RunUntil(loop, [&] { return first.closed_by_peer(); });  // the second's size is wrong
  }
  CHECK(sink.gaps[0] == 25);
  CHECK_FALSE(sink.gaps[1].has_value());
  CHECK(sink.messages == Messages{"hi"});
  auto second = server.Accept();
  CHECK(second.target().ends_with("since=1000"));
  second.Head(std::string(kFramedHead) + "X-Offset: 0\r\nX-Gap: missed=unknown next=0\r\n");
  RunUntil(loop, [&] { return sink.gaps.size() == 3; });
  CHECK(sink.last.next == 0);
  CHECK(source.next() == 0);
  CHECK(source.missed() == 25);  // of the others nobody said how many
}

TEST_CASE("source: a message that is too long is passed over, its position too") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  PubsubSource source(loop, client, Config({server.url()}), sink);
  source.Start();
  auto connection = server.Accept();
  connection.Head(kFramedHead);
  connection.Send("1 1001\n" + std::string(1001, 'x') + "\n2 1000\n" + std::string(1000, 'y') +
                  "\n");
  RunUntil(loop, [&] { return sink.messages.size() == 1; });
  CHECK(sink.too_long == 1);
  CHECK(sink.messages[0] == std::string(1000, 'y'));
  CHECK(sink.last.next == 3);
}

TEST_CASE("source: where there are no positions it reads lines, without what pubsub says itself") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  PubsubSource source(loop, client, Config({server.url()}), sink);
  source.Start();
  {
    auto first = server.Accept();
    first.Head("Content-Type: application/json\r\n");
    first.Send("\r\none\n{\"_heartbeat_\":1763722800}\n\ntwo\n{\"_heartbeat_\":\"mine\"}\n");
    first.Send("ERROR_TOO_SLOW. kicked for having 52428801 pending bytes\n");
    first.End();
  }
  auto second = server.Accept();
  CHECK(second.target() == std::string(kAsked) + "now");
  CHECK(sink.messages == Messages{"one", "two", "{\"_heartbeat_\":\"mine\"}"});
  CHECK_FALSE(sink.last.next.has_value());
}

TEST_CASE("source: shows its URL without secrets") {
  EventLoop loop;
  Client client(loop);
  Recorder sink;
  const PubsubSource source(loop, client, Config({"http://me:secret@h:1/sub?token=secret"}), sink);
  CHECK(source.shown_url() == "http://h:1/sub");
}

TEST_CASE("source: a pubsub that refuses what it does not know is asked for lines, once") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  PubsubSource source(loop, client, Config({server.url() + "?topic=a"}), sink);
  source.Start();
  for (int round = 0; round < 2; ++round) {
    auto refused = server.Accept();
    CHECK(refused.target().ends_with("since=now"));
    refused.Head("", "400 Bad Request");
    auto stream = server.Accept();
    CHECK(stream.target() == "/sub?topic=a&multipart=0");
    stream.Head("");
    stream.Send("\r\nx\n");
    stream.End();
  }
  server.Accept();
  CHECK(sink.messages == Messages{"x", "x"});
}

TEST_CASE("source: without positions lines are all messages, and nothing is asked for") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  PubsubSource source(loop, client, Config({server.url()}, false), sink);
  source.Start();
  auto first = server.Accept();
  CHECK(first.target() == "/sub?multipart=0");
  first.Head(kFramedHead);  // whatever it calls itself
  first.Send("\r\n{\"_heartbeat_\":1763722800}\n17 3\n");
  RunUntil(loop, [&] { return sink.messages.size() == 2; });
  CHECK(sink.messages == Messages{"{\"_heartbeat_\":1763722800}", "17 3"});
}

TEST_CASE(
    "source: a URL with positions is tried again first, then the next one, each from its own") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource a(loop);
  ScriptedSource b(loop);
  Recorder sink;
  PubsubSource source(loop, client, Config({a.url(), b.url()}), sink);
  source.Start();
  {
    auto stream = a.Accept();
    stream.Head(std::string(kFramedHead) + "X-Offset: 5\r\n");
    stream.Send("5 1\nx\n");
    RunUntil(loop, [&] { return sink.messages.size() == 1; });
  }
  {
    auto refused = a.Accept();
    CHECK(refused.target().ends_with("since=6"));
    refused.Head("", "503 Service Unavailable");
    auto stream = b.Accept();
    CHECK(stream.target().ends_with("since=now"));
    stream.Head(std::string(kFramedHead) + "X-Offset: 70\r\n");
    RunUntil(loop, [&] { return sink.last.next == 70; });
    CHECK(sink.last.url == 1);
  }
  {
    auto refused = b.Accept();
    CHECK(refused.target().ends_with("since=70"));
    refused.Head("", "404 Not Found");
  }
  CHECK(a.Accept().target().ends_with("since=6"));
}

TEST_CASE("source: begins with the URL it is told to, the next one after a failure") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource a(loop);
  ScriptedSource b(loop);
  Recorder sink;
  auto config = Config({a.url(), b.url()});
  config.first = 1;
  PubsubSource source(loop, client, config, sink);
  source.Start();
  {
    auto refused = b.Accept();
    refused.Head("", "503 Service Unavailable");
  }
  CHECK(a.Accept().target().ends_with("since=now"));
}

TEST_CASE("source: what accepts and does not answer is given up for the next one") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource hangs(loop);
  ScriptedSource next(loop);
  Recorder sink;
  auto config = Config({hangs.url(), next.url()});
  config.connect_timeout = std::chrono::milliseconds(10);
  config.answer_timeout = std::chrono::milliseconds(10);
  PubsubSource source(loop, client, config, sink);
  source.Start();
  auto silent = hangs.Accept();
  auto other = next.Accept();
  CHECK(other.target() == std::string(kAsked) + "now");
  RunUntil(loop, [&] { return silent.closed_by_peer(); });
  // It is tried again in its turn.
  hangs.Accept();
}

TEST_CASE("source: lines may be silent for longer than an answer may take") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  auto config = Config({server.url()});
  config.connect_timeout = std::chrono::milliseconds(20);
  config.answer_timeout = std::chrono::milliseconds(20);
  PubsubSource source(loop, client, config, sink);
  source.Start();
  // On a busy machine the first answers may be late.
  std::vector<test::SourceConnection> streams;
  while (!source.connected()) {
    streams.push_back(server.Accept());
    streams.back().Head("");
    RunUntil(loop, [&] { return source.connected() || streams.back().closed_by_peer(); });
  }
  const auto reconnects = source.reconnects();
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  RunUntil(loop, [&] { return std::chrono::steady_clock::now() > until; });
  CHECK(source.connected());
  CHECK(source.reconnects() == reconnects);
}

TEST_CASE("source: heartbeats do not end a silence") {
  for (const bool framed : {true, false}) {
    CAPTURE(framed);
    EventLoop loop;
    Client client(loop);
    ScriptedSource server(loop);
    Recorder sink;
    auto config = Config({server.url()});
    config.max_silence = std::chrono::milliseconds(30);
    PubsubSource source(loop, client, config, sink);
    source.Start();
    auto stream = server.Accept();
    stream.Head(framed ? kFramedHead : "");
    RunUntil(loop, [&] {
      stream.Send(framed ? "- 26\n{\"_heartbeat_\":1763722800}\n"
                         : "{\"_heartbeat_\":1763722800}\n");
      return sink.silences == 1;
    });
    CHECK(sink.messages.empty());
  }
}

TEST_CASE("source: a full sink is not read for until Resume()") {
  EventLoop loop;
  Client client(loop);
  ScriptedSource server(loop);
  Recorder sink;
  PubsubSource source(loop, client, Config({server.url()}), sink);
  source.Start();
  auto connection = server.Accept();
  connection.Head(kFramedHead);
  sink.is_full = true;
  connection.Send("1 1\na\n");
  RunUntil(loop, [&] { return source.paused(); });
  connection.Send("2 1\nb\n");
  for (int i = 0; i < 20; ++i) loop.RunOnce(std::chrono::milliseconds(1));
  CHECK(sink.messages == Messages{"a"});
  sink.is_full = false;
  source.Resume();
  RunUntil(loop, [&] { return sink.messages.size() == 2; });
}

}  // namespace
}  // namespace rivulet
