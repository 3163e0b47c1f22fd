// Frames, and connections that are slow, silent or drained.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "tests/unit/http/websocket_fixture.h"

using namespace rivulet;

TEST_CASE("websocket: frames are those of RFC 6455 5.7") {
  CHECK(WebSocketFrame(WebSocketOpcode::kText, "Hello") == "\x81\x05Hello");
  CHECK(WebSocketFrame(WebSocketOpcode::kPing, "Hello") == "\x89\x05Hello");
  const std::string b256(256, 'b');
  CHECK(WebSocketFrame(WebSocketOpcode::kBinary, b256) ==
        std::string("\x82\x7e\x01\x00", 4) + b256);
  const std::string b64k(65536, 'b');
  CHECK(WebSocketFrame(WebSocketOpcode::kBinary, b64k) ==
        std::string("\x82\x7f\0\0\0\0\0\1\0\0", 10) + b64k);
  CHECK(WebSocketHeaderBytes(125) == 2);
  CHECK(WebSocketHeaderBytes(126) == 4);
  CHECK(WebSocketHeaderBytes(65535) == 4);
  CHECK(WebSocketHeaderBytes(65536) == 10);
  CHECK(WebSocketFrame(WebSocketOpcode::kText, {}) == std::string("\x81\0", 2));
}

TEST_CASE("websocket: a close frame's reason is cut at a character") {
  CHECK(WebSocketCloseFrame(1000, "done") ==
        "\x88\x06\x03\xe8"
        "done");
  std::string euros;
  for (int i = 0; i < 60; ++i) euros += "\xe2\x82\xac";
  const std::string cut = WebSocketCloseFrame(1008, euros);
  CHECK(cut.size() == 2 + 2 + 123);  // 41 characters of three bytes
  CHECK(IsValidUtf8(std::string_view(cut).substr(4)));
  CHECK(WebSocketCloseFrame(1008, "x" + euros).size() == 2 + 2 + 121);
}

TEST_CASE(
    "websocket: a listener without a source lives as long as its client, not as its patience") {
  WebSocketFixture f;
  f.heard.answer = "n";
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/listen"));
  client.ReadUntil("\r\n\r\n");
  f.clock.Advance(std::chrono::hours(1));
  for (int i = 0; i < 3; ++i) f.loop.RunOnce(std::chrono::milliseconds(300));
  client.Send(ClientFrame(kText, "still here"));
  CHECK(client.ReadUntil("n1") == "\x81\x02n1");
  client.Close();
  f.RunUntil([&f] { return f.heard.destroyed; });
  CHECK(f.server->connections() == 0);
}

TEST_CASE("websocket: a message that comes too slowly ends the connection with 1008") {
  ServerConfig config;
  std::string rate = "1KiB/s";
  SUBCASE("of the usual rate") {}
  SUBCASE("of another rate") {
    config.min_body_bytes_per_second = 1500;
    rate = "1500B/s";
  }
  WebSocketFixture f(config);
  LoopClient client(f.loop, f.server->bound());
  const std::string half = ClientFrame(kBinary, std::string(1U << 20, 'x')).substr(0, 30'000);
  client.Send(Handshake("/listen") + ClientFrame(kText, "whole") + half);
  client.ReadUntil("\r\n\r\n");
  f.RunUntil([&f] { return f.heard.messages.size() == 1; });
  f.RunSome();
  f.clock.Advance(std::chrono::seconds(9));
  f.RunSweeps();
  CHECK(client.ReadNow().empty());
  f.clock.Advance(std::chrono::seconds(12));  // the last bytes may have earned up to ten
  const std::vector<ServerFrame> told{
      {kClose, CloseCode(1008) + "the message came slower than " + rate}};
  CHECK(*ReadFrames(client.ReadToClose()) == told);
  CHECK(f.heard.destroyed);
  CHECK(f.server->connections() == 1);  // a client that does not go is cut
  f.clock.Advance(std::chrono::milliseconds(2100));
  f.RunUntil([&f] { return f.server->connections() == 0; });
}

TEST_CASE("websocket: at 1 KiB/s a message may take as long as it takes") {
  WebSocketFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/listen") + ClientFrame(kText, "x", NotFinal()));
  for (int i = 0; i < 6; ++i) {
    f.clock.Advance(std::chrono::seconds(10));
    client.Send(ClientFrame(kContinuation, std::string(10'500, 'x'), NotFinal()));
    f.loop.RunOnce(std::chrono::milliseconds(300));
  }
  client.Send(ClientFrame(kContinuation, "y"));
  f.RunUntil([&f] { return f.heard.messages.size() == 1; });
  CHECK(f.heard.messages[0].first.size() == 63'002);
}

TEST_CASE("websocket: a client that is not read may be late with its message") {
  WebSocketFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/echo") + ClientFrame(kText, "pause") +
              ClientFrame(kText, "h", NotFinal()));
  client.ReadUntil("pause");
  client.Send(ClientFrame(kContinuation, "alf"));
  f.clock.Advance(std::chrono::seconds(100));
  f.loop.RunOnce(std::chrono::milliseconds(300));
  REQUIRE(client.ReadNow().empty());
  f.last_echo->stream_->PauseReading(false);
  CHECK(client.ReadUntil("half") == "\x81\x04half");
}

TEST_CASE(
    "websocket: a client that never reads costs the newest answer, and is heard all the same") {
  WebSocketFixture f;
  f.heard.answer = std::string(100'000, 'a');
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/listen"));
  for (int i = 0; i < 200; ++i) client.Send(ClientFrame(kText, "m") + ClientFrame(kPing, "p"));
  f.RunUntil([&f] { return f.heard.messages.size() == 200; });
  const std::string tail = "a200";
  const std::string all = AfterHead(client.ReadUntil(tail));
  REQUIRE(all.ends_with(tail));
  REQUIRE(ReadFrames(all));
}

TEST_CASE("websocket: a close that is not answered is cut after two seconds") {
  WebSocketFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/echo"));
  client.ReadUntil("\r\n\r\n");
  bool done = false;
  f.server->Drain([&done] { done = true; });
  CHECK(client.ReadUntil("drained") ==
        "\x88\x09\x03\xe9"
        "drained");
  for (int i = 0; i < 3; ++i) f.loop.RunOnce(std::chrono::milliseconds(300));
  CHECK_FALSE(done);
  f.clock.Advance(std::chrono::milliseconds(2100));
  client.ReadToClose();
  CHECK(client.closed());
  f.RunUntil([&done] { return done; });
}

TEST_CASE("websocket: the drain is over once the client has answered the close") {
  WebSocketFixture f;
  LoopClient with_source(f.loop, f.server->bound());
  LoopClient without(f.loop, f.server->bound());
  with_source.Send(Handshake("/echo"));
  without.Send(Handshake("/listen"));
  with_source.ReadUntil("\r\n\r\n");
  without.ReadUntil("\r\n\r\n");
  bool done = false;
  f.server->Drain([&done] { done = true; });
  CHECK(with_source.ReadUntil("drained").ends_with("drained"));
  CHECK(ReadFrames(without.ReadToClose())->at(0).close_code() == 1001);
  without.Close();
  with_source.Send(ClientFrame(kClose, CloseCode(1001)));
  CHECK(with_source.ReadToClose().empty());
  with_source.Close();
  f.RunUntil([&done] { return done; });
}
