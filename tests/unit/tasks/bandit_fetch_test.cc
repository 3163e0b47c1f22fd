// A catalogue behind a URL: nothing waits for it but the first feedback.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "tasks/http_fetch.h"
#include "tests/unit/tasks/bandit_support.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

/// A port that takes connections, and answers none by itself.
class Silent {
 public:
  Silent() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(socket_, 8) == 0);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/items";
  }
  ~Silent() { close(socket_); }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  const std::string& url() const { return url_; }
  /// One connection.
  void Answer(const std::string& text) const {
    const int connection = accept(socket_, nullptr, nullptr);
    char request[4096];
    static_cast<void>(recv(connection, request, sizeof request, 0));
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t now = send(connection, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) break;
      sent += static_cast<std::size_t>(now);
    }
    close(connection);
  }

 private:
  int socket_;
  std::string url_;
};

std::string Ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

TEST_CASE("bandit catalogue: while a URL does not answer, the task learns and ticks, and ends") {
  MemoryStore store;
  MakeBandit("bandit:items=a+b,refresh=0", &store);
  const Silent silent;
  const auto task = MakeBandit("bandit:arms=2,refresh=3,catalogue=" + silent.url(), &store);
  for (int i = 0; i < 9; ++i) {
    RunFeedback(*task, std::vector{Impression("a")}, SystemClock().WallNow());
    task->Tick();
  }
  CHECK(BanditIn(store).experiments == 9);
  CHECK(BanditIn(store).round == 1);
  // It has been waited for by nobody: then it would have failed.
  CHECK(FakeSummary(*task).counts["catalogue_failures"] == 0);
}

TEST_CASE("bandit catalogue: the first feedback waits for a URL that answers, and is learnt") {
  MemoryStore store;
  const Silent server;
  const auto task = MakeTaskOf("bandit:arms=2,refresh=0,catalogue=" + server.url(), &store);
  task->Tick();
  CHECK(BanditIn(store).arms.empty());
  std::jthread answer([&] { server.Answer(Ok(R"(["a","b"])")); });
  RunFeedback(*task, std::vector{Impression("a")}, SystemClock().WallNow());
  CHECK(CountersIn(store) == "a=1/2 b=1/1");
}

TEST_CASE("http fetch: of a failure with a body that is too large the status is told") {
  const Silent server;
  std::jthread answer([&] {
    server.Answer("HTTP/1.1 500 Oops\r\nContent-Length: 5000000\r\n\r\n" +
                  std::string(5'000'000, 'x'));
  });
  CHECK(FetchUrl(server.url()).status().message().find("status 500") != std::string::npos);
  std::jthread large([&] { server.Answer(Ok(std::string(5'000'000, 'x'))); });
  CHECK(FetchUrl(server.url()).status().code() == StatusCode::kTooLarge);
  // A stop that comes before is seen, and no answer waited for.
  const std::atomic<bool> stop = true;
  CHECK(FetchUrl(server.url(), {}, &stop).status().code() == StatusCode::kUnavailable);
}
