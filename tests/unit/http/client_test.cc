// The client against a scripted server: a thread a connection that sends exactly the bytes a test
// gives it. What a client must make of them is HTTP/1.1 (RFC 9112).
#include "http/client.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

namespace rivulet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Peer {
 public:
  Peer(int fd, int number) : number_(fd < 0 ? -1 : number), fd_(fd) {}

  int number() const { return number_; }  // of the connection, from 0
  void Send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// Sends in pieces that arrive apart: each in a segment of its own.
  void SendSlowly(std::string_view bytes) const {
    for (const char c : bytes) Send({&c, 1});
  }
  /// The head and body of the next request; empty when the client closed.
  std::string Receive() {
    for (;;) {
      const auto head = buffer_.find("\r\n\r\n");
      if (head != std::string::npos) {
        std::size_t size = head + 4;
        const auto length = buffer_.find("Content-Length: ");
        if (length < head) size += std::stoul(buffer_.substr(length + 16));
        if (buffer_.size() >= size) {
          std::string request = buffer_.substr(0, size);
          buffer_.erase(0, size);
          return request;
        }
      }
      std::array<char, 65536> bytes{};
      const ssize_t got = recv(fd_, bytes.data(), bytes.size(), 0);
      if (got <= 0) return {};
      buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    }
  }
  void AwaitClose() {
    std::array<char, 4096> bytes{};
    while (recv(fd_, bytes.data(), bytes.size(), 0) > 0) {
    }
  }

 private:
  int number_;
  int fd_;
  std::string buffer_;
};

class ScriptedServer {
 public:
  using Script = std::function<void(Peer& peer)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_, 64) == 0);
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { Accept(); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    for (const int fd : fds_) shutdown(fd, SHUT_RDWR);
    for (auto& thread : threads_) thread.join();
    for (const int fd : fds_) close(fd);
    close(listener_);
  }

  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int connections() const { return connections_; }

 private:
  void Accept() {
    for (;;) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const int number = connections_++;
      fds_.push_back(fd);
      threads_.emplace_back([this, fd, number] {
        Peer peer(fd, number);
        script_(peer);
        shutdown(fd, SHUT_RDWR);
      });
    }
  }

  Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::list<int> fds_;  // of the accepting thread until it has ended
  std::list<std::thread> threads_;
  std::thread accepting_;
};

ScriptedServer::Script AnswerAll(std::string answer) {
  return [answer = std::move(answer)](Peer& peer) {
    while (!peer.Receive().empty()) peer.Send(answer);
  };
}

ClientRequest Request(std::string url, std::string method = "GET") {
  ClientRequest request;
  request.url = std::move(url);
  request.method = std::move(method);
  request.timeout = seconds(20);  // a test that hangs ends
  return request;
}

ClientResponse Fetch(ClientRequest request) {
  EventLoop loop;
  Client client(loop);
  return client.Fetch(std::move(request));
}

template <typename Condition>
void RunUntil(EventLoop& loop, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + seconds(20);
  while (!condition()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    loop.RunOnce(milliseconds(20));
  }
}

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
  auto request = Request(server.url());
  request.timeout = milliseconds(50);
  const auto response = Fetch(std::move(request));
  CHECK(response.status.code() == StatusCode::kUnavailable);
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

TEST_CASE("client: a paused call takes nothing until it is resumed, then everything") {
  const std::string text(3'000'000, 'x');
  std::atomic<bool> all_sent = false;
  ScriptedServer server([&](Peer& peer) {
    peer.Receive();
    // More than the sockets' buffers hold (those of loopback grow to some 6 MB).
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n");
    for (int i = 0; i < 10; ++i) peer.Send(text);
    all_sent = true;
    peer.AwaitClose();
  });
  EventLoop loop;
  Client client(loop);
  std::size_t got = 0;
  int pauses = 0;
  bool done = false;
  auto request = Request(server.url());
  request.idle_timeout = milliseconds(20);  // does not run while paused
  request.on_data = [&](std::string_view data) {
    got += data.size();
    if (pauses > 0) return ClientFlow::kContinue;
    ++pauses;
    return ClientFlow::kPause;
  };
  ClientCall call = client.Start(std::move(request), [&](ClientResponse response) {
    CHECK(response.ok());
    done = true;
  });
  RunUntil(loop, [&] { return pauses == 1; });
  const std::size_t at_pause = got;
  for (int i = 0; i < 10; ++i) loop.RunOnce(milliseconds(10));
  CHECK(got == at_pause);
  CHECK_FALSE(all_sent);
  CHECK(call.active());
  call.Resume();
  CHECK(got == at_pause);  // never inside Resume
  RunUntil(loop, [&] { return done; });
  CHECK(got == 30'000'000);
}

TEST_CASE("client: a receiver can end its call") {
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  auto request = Request(server.url());
  request.on_data = [](std::string_view) { return ClientFlow::kAbort; };
  const auto response = Fetch(std::move(request));
  CHECK(response.status.code() == StatusCode::kUnavailable);
  CHECK(response.status.message() == "ended by the receiver");
}

TEST_CASE("client: nothing is called after a cancel") {
  std::atomic<bool> asked = false;
  std::atomic<bool> closed = false;
  ScriptedServer server([&](Peer& peer) {
    peer.Receive();
    asked = true;
    peer.AwaitClose();
    closed = true;
  });
  EventLoop loop;
  Client client(loop);
  ClientCall early = client.Start(Request(server.url()), [](ClientResponse) { FAIL("called"); });
  early.Cancel();
  CHECK_FALSE(early.active());
  {
    ClientCall call = client.Start(Request(server.url()), [](ClientResponse) { FAIL("called"); });
    RunUntil(loop, [&] { return asked.load(); });
    CHECK(call.active());
  }
  CHECK(client.active_calls() == 0);
  RunUntil(loop, [&] { return closed.load(); });
}

TEST_CASE("client: a call may be cancelled from its own callbacks") {
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
  EventLoop loop;
  Client client(loop);
  ClientCall call;
  bool reached = false;
  SUBCASE("on_head") {
    auto request = Request(server.url());
    request.on_head = [&](const ClientResponse&) {
      call.Cancel();
      reached = true;
    };
    call = client.Start(std::move(request), [](ClientResponse) { FAIL("called"); });
  }
  SUBCASE("on_data") {
    auto request = Request(server.url());
    request.on_data = [&](std::string_view) {
      call.Cancel();
      reached = true;
      return ClientFlow::kContinue;
    };
    call = client.Start(std::move(request), [](ClientResponse) { FAIL("called"); });
  }
  SUBCASE("on_done") {
    call = client.Start(Request(server.url()), [&](ClientResponse) {
      CHECK_FALSE(call.active());
      call.Cancel();
      reached = true;
    });
  }
  RunUntil(loop, [&] { return reached; });
  RunUntil(loop, [&] { return client.active_calls() == 0; });
}

TEST_CASE("client: a callback may start another call in place of its own") {
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  EventLoop loop;
  Client client(loop);
  ClientCall call;
  int answers = 0;
  std::function<void()> next = [&] {
    call = client.Start(Request(server.url()), [&](ClientResponse response) {
      CHECK(response.ok());
      if (++answers < 50) next();
    });
  };
  next();
  RunUntil(loop, [&] { return answers == 50; });
  // And from on_data, where curl may not be entered again.
  bool done = false;
  ClientCall other;
  auto request = Request(server.url());
  request.on_data = [&](std::string_view) {
    other = client.Start(Request(server.url()), [&](ClientResponse) { done = true; });
    return ClientFlow::kContinue;
  };
  call = client.Start(std::move(request), [](ClientResponse) {});
  RunUntil(loop, [&] { return done; });
}

TEST_CASE("client: a detached call runs to its end, a destroyed client ends its calls") {
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  ScriptedServer silent([](Peer& peer) { peer.AwaitClose(); });
  EventLoop loop;
  bool done = false;
  ClientCall left;
  {
    Client client(loop);
    client.Start(Request(server.url()), [&](ClientResponse) { done = true; }).Detach();
    RunUntil(loop, [&] { return done; });
    left = client.Start(Request(silent.url()), [](ClientResponse) { FAIL("called"); });
    loop.RunOnce(milliseconds(1));
    left.Detach();
    left = client.Start(Request(silent.url()), [](ClientResponse) { FAIL("called"); });
  }
  CHECK_FALSE(left.active());
  left.Cancel();
}

TEST_CASE("client: bodies share their bytes, and the owner is let go before on_done") {
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  EventLoop loop;
  Client client(loop);
  const auto bytes = std::make_shared<const std::string>("shared");
  auto request = Request(server.url(), "POST");
  request.body = bytes;
  CHECK(request.body.view().data() == bytes->data());
  bool done = false;
  ClientCall call = client.Start(std::move(request), [&](ClientResponse) {
    CHECK(bytes.use_count() == 1);
    done = true;
  });
  RunUntil(loop, [&] { return done; });
}

}  // namespace
}  // namespace rivulet
