// Handshakes over a real loop: taken, refused, held.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/http/websocket_fixture.h"

using namespace rivulet;

namespace {

std::string Without(std::string text, const std::string& part, const std::string& instead = {}) {
  const std::size_t at = text.find(part);
  REQUIRE(at != std::string::npos);
  return text.replace(at, part.size(), instead);
}

}  // namespace

TEST_CASE("websocket: the accept value is that of RFC 6455 1.3") {
  CHECK(WebSocketAccept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("websocket: the handshake is answered with 101, and frames go both ways") {
  WebSocketFixture f;
  LoopClient client(f.loop, f.server->bound());
  client.Send(Handshake("/echo"));
  const std::string head = client.ReadUntil("\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  CHECK(head.find("\r\nUpgrade: websocket\r\n") != std::string::npos);
  CHECK(head.find("\r\nConnection: Upgrade\r\n") != std::string::npos);
  CHECK(head.find("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") !=
        std::string::npos);
  CHECK(head.find("\r\nX-Offset: 7\r\n") != std::string::npos);
  CHECK(head.find("chunked") == std::string::npos);
  CHECK(head.find("Content-") == std::string::npos);
  CHECK(head.find("close") == std::string::npos);
  client.Send(ClientFrame(kText, "hello") + ClientFrame(kPing, "p"));
  std::string seen = client.ReadUntil("hello");
  if (seen.find("\x8a\x01p") == std::string::npos) seen += client.ReadUntil("\x8a\x01p");
  CHECK(ReadFrames(seen)->size() == 2);
  client.Send(ClientFrame(kClose, CloseCode(1000)));
  CHECK(client.ReadToClose() == "\x88\x02\x03\xe8");
  CHECK(client.closed());
}

TEST_CASE("websocket: the handshake and frames behind it may be cut anywhere") {
  WebSocketFixture f;
  const std::string bytes =
      Handshake("/listen") + ClientFrame(kText, "at once") + ClientFrame(kClose, CloseCode(1000));
  std::string whole;
  const std::size_t head_bytes = Handshake("/listen").size();
  for (std::size_t cut = 0; cut < bytes.size(); cut += cut + 8 < head_bytes ? 5 : 1) {
    f.heard.messages.clear();
    LoopClient client(f.loop, f.server->bound());
    client.Send(bytes.substr(0, cut));
    for (int i = 0; i < 3; ++i) f.loop.RunOnce(std::chrono::milliseconds(1));
    client.Send(bytes.substr(cut));
    const std::string answer = client.ReadToClose();
    CHECK(AfterHead(answer) == "\x88\x02\x03\xe8");
    if (whole.empty()) whole = answer;
    CHECK(answer == whole);
    REQUIRE(f.heard.messages.size() == 1);
    CHECK(f.heard.messages[0].first == "at once");
  }
}

TEST_CASE("websocket: tokens of the handshake are lists, without regard to case") {
  WebSocketFixture f;
  for (const std::string& request :
       {Without(Handshake("/echo"), "Connection: Upgrade", "Connection: keep-alive, upgrade"),
        Without(Handshake("/echo"), "Upgrade: websocket", "Upgrade: h2c, WebSocket"),
        Without(Handshake("/echo"), "Connection: Upgrade",
                "Connection: keep-alive\r\nConnection: Upgrade")}) {
    LoopClient client(f.loop, f.server->bound());
    client.Send(request);
    CHECK(client.ReadUntil("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  }
}

TEST_CASE("websocket: what is wrong with a handshake is told, and the connection goes on") {
  WebSocketFixture f;
  const std::string good = Handshake("/echo");
  const std::string key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  struct Case {
    std::string request;
    std::string status;
  };
  for (const Case& c : std::vector<Case>{
           {Without(good, key), "400"},
           {Without(good, "dGhlIHNhbXBsZSBub25jZQ==", "short"), "400"},
           {Without(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!=="), "400"},
           {Without(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQAA"), "400"},
           {Without(good, version), "426"},
           {Without(good, "Version: 13", "Version: 8"), "426"},
           {Without(good, "Upgrade: websocket\r\n"), "426"},
           {Handshake("/echo", "Origin: http://evil.example\r\n"), "403"},
           {Handshake("/echo", "Origin: null\r\n"), "403"},
           {Without(good, "HTTP/1.1", "HTTP/1.0"), "400"}}) {
    CAPTURE(c.request);
    LoopClient client(f.loop, f.server->bound());
    client.Send(c.request);
    const std::string answer = client.ReadUntil("\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 " + c.status + " "));
    if (c.status == "426") {
      CHECK(answer.find("\r\nUpgrade: websocket\r\n") != std::string::npos);
      const bool version_told =
          answer.find("\r\nSec-WebSocket-Version: 13\r\n") != std::string::npos;
      CHECK(version_told == (c.request.find("Upgrade: websocket") != std::string::npos));
    }
    if (c.request.find("HTTP/1.0") != std::string::npos) continue;
    client.Send(Get("/now"));
    CHECK(client.ReadUntil("now").ends_with("now"));
  }
}

TEST_CASE("websocket: an origin is allowed that is the host's own, or that is named") {
  const auto status = [](WebSocketFixture& f, const std::string& origin) {
    LoopClient client(f.loop, f.server->bound());
    client.Send(Handshake("/echo", origin.empty() ? "" : "Origin: " + origin + "\r\n"));
    return client.ReadUntil("\r\n\r\n").substr(9, 3);
  };
  WebSocketFixture same;
  CHECK(status(same, "") == "101");
  CHECK(status(same, "http://server.example.com") == "101");
  CHECK(status(same, "https://Server.Example.com") == "101");
  CHECK(status(same, "http://server.example.com:8080") == "403");
  CHECK(status(same, "http://server.example.com.evil") == "403");
  CHECK(status(same, "http://xserver.example.com") == "403");
  CHECK(status(same, "server.example.com") == "403");
  ServerConfig named;
  named.allow_origins = {"https://page.example"};
  WebSocketFixture listed(named);
  CHECK(status(listed, "https://page.example") == "101");
  CHECK(status(listed, "http://page.example") == "403");
  CHECK(status(listed, "http://server.example.com") == "101");
  named.allow_origins = {"*"};
  WebSocketFixture any(named);
  CHECK(status(any, "null") == "101");
  CHECK(status(any, "http://evil.example") == "101");
}

TEST_CASE("websocket: a handshake behind a held answer waits for it; a failure ends both") {
  WebSocketFixture f;
  f.mark = 1;
  LoopClient client(f.loop, f.server->bound());
  LoopClient failed(f.loop, f.server->bound());
  client.Send(Handshake("/listen") + ClientFrame(kText, "early"));
  failed.Send(Handshake("/listen"));
  f.RunUntil([&f] { return f.heard.messages.size() == 1; });
  CHECK(client.ReadNow().empty());
  f.server->Release(1);
  CHECK(client.ReadUntil("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  f.mark = 2;
  LoopClient later(f.loop, f.server->bound());
  later.Send(Handshake("/listen"));
  f.RunSome();
  f.heard.destroyed = false;
  f.server->FailHeld(507, "the disk is full");
  CHECK(later.ReadToClose().starts_with("HTTP/1.1 507 "));
  CHECK(f.heard.destroyed);
}
