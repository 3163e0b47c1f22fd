// The client against a scripted server. What it must make of the bytes is HTTP/1.1 (RFC 9112).
#include "http/client.h"

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/unit/http/scripted_server.h"

namespace rivulet::client_test {
namespace {

TEST_CASE("client: an answer has its code, headers and body") {
  ScriptedServer server(
      AnswerAll("HTTP/1.1 404 Nope\r\nX-One: a\r\nx-two:  b \r\nContent-Length: 3\r\n\r\nabc"));
  const auto response = Fetch(Request(server.url("/path?token=secret")));
  CHECK(response.status.ok());
  CHECK(response.code == 404);
  CHECK_FALSE(response.ok());
  CHECK(response.body == "abc");
  CHECK(response.header("x-one") == "a");
  CHECK(response.header("X-Two") == "b");
  CHECK(response.header("X-Three").empty());
  CHECK(response.Describe() == "GET " + server.url("/path") + ": answered 404");
}

TEST_CASE("client: a request is sent as it was given, without Expect and without a type") {
  std::mutex mutex;
  std::vector<std::string> seen;
  ScriptedServer server([&](Peer& peer) {
    for (std::string request; !(request = peer.Receive()).empty();) {
      const std::lock_guard lock(mutex);
      seen.push_back(request);
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
  });
  EventLoop loop;
  Client client(loop);
  auto get = Request(server.url("/a/../b?x=%s%20y"));
  get.headers = {"X-Mine: 1"};
  CHECK(client.Fetch(std::move(get)).ok());
  auto post = Request(server.url("/put"), "POST");
  post.body = std::string(2'000'000, 'x');
  CHECK(client.Fetch(std::move(post)).ok());
  auto empty = Request(server.url("/put"), "POST");
  CHECK(client.Fetch(std::move(empty)).ok());
  auto put = Request(server.url("/put"), "PUT");
  put.body = std::string("a\0b", 3);
  CHECK(client.Fetch(std::move(put)).ok());

  const std::string host = server.url("").substr(7);
  CHECK(seen[0] == "GET /a/../b?x=%s%20y HTTP/1.1\r\nHost: " + host + "\r\nX-Mine: 1\r\n\r\n");
  CHECK(seen[1] == "POST /put HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 2000000\r\n\r\n" +
                       std::string(2'000'000, 'x'));
  CHECK(seen[2] == "POST /put HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 0\r\n\r\n");
  CHECK(seen[3] == "PUT /put HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 3\r\n\r\n" +
                       std::string("a\0b", 3));
}

TEST_CASE("client: calls in a row reuse one connection") {
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  EventLoop loop;
  Client client(loop);
  for (int i = 0; i < 20; ++i) CHECK(client.Fetch(Request(server.url())).body == "ok");
  CHECK(server.connections() == 1);
}

TEST_CASE("client: a kept connection that the server closed is replaced") {
  ScriptedServer server([](Peer& peer) {
    peer.Receive();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(peer.number()));
  });
  EventLoop loop;
  Client client(loop);
  CHECK(client.Fetch(Request(server.url())).body == "0");
  CHECK(client.Fetch(Request(server.url())).body == "1");
}

TEST_CASE("client: no more connections a host than allowed, the other calls wait") {
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  EventLoop loop;
  ClientOptions options;
  options.max_connections_per_host = 2;
  Client client(loop, options);
  int done = 0;
  std::vector<ClientCall> calls;
  for (int i = 0; i < 10; ++i) {
    calls.push_back(client.Start(Request(server.url()), [&](ClientResponse response) {
      CHECK(response.body == "ok");
      ++done;
    }));
  }
  CHECK(client.active_calls() == 10);
  RunUntil(loop, [&] { return done == 10; });
  CHECK(client.active_calls() == 0);
  CHECK(server.connections() <= 2);
}

TEST_CASE("client: a chunked body is put together, wherever the bytes are cut") {
  const std::string answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n";
  for (std::size_t cut = 1; cut < answer.size(); cut += 7) {
    ScriptedServer server([&](Peer& peer) {
      peer.Receive();
      peer.SendSlowly(answer.substr(0, cut));
      peer.Send(answer.substr(cut));
    });
    const auto response = Fetch(Request(server.url()));
    CHECK(response.status.ok());
    CHECK(response.body == "hello world");
  }
}

TEST_CASE("client: a HEAD, a 204 and a 304 have no body and keep the connection") {
  ScriptedServer server([](Peer& peer) {
    for (std::string request; !(request = peer.Receive()).empty();) {
      if (request.starts_with("HEAD")) peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
      if (request.starts_with("GET /204")) peer.Send("HTTP/1.1 204 No Content\r\n\r\n");
      if (request.starts_with("GET /304")) peer.Send("HTTP/1.1 304 Not Modified\r\n\r\n");
    }
  });
  EventLoop loop;
  Client client(loop);
  const auto head = client.Fetch(Request(server.url(), "HEAD"));
  CHECK(head.ok());
  CHECK(head.header("content-length") == "99");
  CHECK(head.body.empty());
  CHECK(client.Fetch(Request(server.url("/204"))).code == 204);
  CHECK(client.Fetch(Request(server.url("/304"))).code == 304);
  CHECK(server.connections() == 1);
}

TEST_CASE("client: an interim answer is passed over") {
  ScriptedServer server(AnswerAll(
      "HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
  int heads = 0;
  auto request = Request(server.url());
  request.on_head = [&](const ClientResponse& head) {
    ++heads;
    CHECK(head.code == 200);
    CHECK_FALSE(head.has_header("X-A"));
  };
  CHECK(Fetch(std::move(request)).body == "x");
  CHECK(heads == 1);
}

TEST_CASE("client: a redirect is an answer, not followed") {
  ScriptedServer server(
      AnswerAll("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"));
  CHECK(Fetch(Request(server.url())).code == 302);
}

TEST_CASE("client: a refused connection is kUnavailable and names the endpoint, not the query") {
  std::string url;
  {
    ScriptedServer server(AnswerAll(""));
    url = server.url("/put");
  }
  const auto response = Fetch(Request(url + "?data=secret", "POST"));
  CHECK(response.status.code() == StatusCode::kUnavailable);
  CHECK(response.code == 0);
  CHECK(response.Describe().starts_with("POST " + url + ": "));
  CHECK(response.Describe().find("secret") == std::string::npos);
}

TEST_CASE("client: what cannot be sent is kInvalidArgument") {
  CHECK(Fetch(Request("no url at all ")).status.code() == StatusCode::kInvalidArgument);
  CHECK(Fetch(Request("http://127.0.0.1:1/" + std::string(1'000'000, 'q'))).status.code() ==
        StatusCode::kInvalidArgument);
  CHECK(Fetch(Request("ftp://127.0.0.1/")).status.code() == StatusCode::kInvalidArgument);
  CHECK(Fetch(Request("file:///etc/hostname")).status.code() == StatusCode::kInvalidArgument);
  CHECK(Fetch(Request("http://127.0.0.1:1/", "get")).status.code() == StatusCode::kInvalidArgument);
  CHECK(Fetch(Request("http://127.0.0.1:1/" + std::string(8'100'000, 'x'))).status.code() ==
        StatusCode::kInvalidArgument);
  auto request = Request("http://127.0.0.1:1/");
  request.headers = {"X: a\r\nY: b"};
  CHECK(Fetch(std::move(request)).status.code() == StatusCode::kInvalidArgument);
}

TEST_CASE("client: a server that closes early is kUnavailable, what came is kept") {
  for (const std::string answer :
       {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    CAPTURE(answer);
    ScriptedServer server([&](Peer& peer) {
      peer.Receive();
      peer.Send(answer);
    });
    CHECK(Fetch(Request(server.url())).status.code() == StatusCode::kUnavailable);
  }
}

TEST_CASE("client: what is no HTTP is kUnavailable") {
  ScriptedServer server(AnswerAll("SSH-2.0-OpenSSH\r\n\r\n"));
  CHECK(Fetch(Request(server.url())).status.code() == StatusCode::kUnavailable);
}

TEST_CASE("client: the total timeout ends a call that still receives") {
  ScriptedServer server([](Peer& peer) {
    peer.Receive();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    peer.AwaitClose();
  });
  // A machine that takes longer than that to bring the head is given more.
  ClientResponse response;
  for (auto timeout = milliseconds(50); response.code == 0 && timeout < seconds(10); timeout *= 3) {
    auto request = Request(server.url());
    request.timeout = timeout;
    response = Fetch(std::move(request));
    CHECK(response.status.code() == StatusCode::kUnavailable);
  }
  CHECK(response.code == 200);
}

TEST_CASE("client: the idle timeout ends a silent call, not one that trickles for longer") {
  ScriptedServer silent([](Peer& peer) { peer.AwaitClose(); });
  auto request = Request(silent.url());
  request.idle_timeout = milliseconds(40);
  CHECK(Fetch(std::move(request)).status.message() == "nothing received for 40 ms");

  // Each byte is sent when the one before has been seen, 30 in all: no clock decides.
  std::atomic<int> seen = 0;
  ScriptedServer trickle([&](Peer& peer) {
    peer.Receive();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n");
    for (int i = 0; i < 30; ++i) {
      peer.Send("x");
      while (seen <= i) std::this_thread::yield();
    }
  });
  auto trickled = Request(trickle.url());
  trickled.idle_timeout = seconds(5);
  trickled.on_data = [&](std::string_view data) {
    seen += static_cast<int>(data.size());
    return ClientFlow::kContinue;
  };
  CHECK(Fetch(std::move(trickled)).ok());
  CHECK(seen == 30);
}

TEST_CASE("client: an answer past the limit is kTooLarge") {
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  auto request = Request(server.url());
  request.max_body_bytes = 4;
  CHECK(Fetch(std::move(request)).status.code() == StatusCode::kTooLarge);
  auto fits = Request(server.url());
  fits.max_body_bytes = 5;
  CHECK(Fetch(std::move(fits)).body == "hello");
}

TEST_CASE("client: streamed data comes whole, after the head, and not in the body") {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i) + "\n";
  ScriptedServer server(AnswerAll(
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text));
  std::string got;
  int head = 0;
  auto request = Request(server.url());
  request.on_head = [&](const ClientResponse& response) { head = response.code; };
  request.on_data = [&](std::string_view data) {
    CHECK(head == 200);
    got += data;
    return ClientFlow::kContinue;
  };
  const auto response = Fetch(std::move(request));
  CHECK(response.ok());
  CHECK(response.body.empty());
  CHECK((got == text));
}

}  // namespace
}  // namespace rivulet::client_test
