// A client's calls: paused, cancelled, started from one another's callbacks.
#include "http/client.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>

#include "tests/unit/http/scripted_server.h"

namespace rivulet::client_test {
namespace {

/// Pauses a call for five times its idle timeout, which does not run while it is paused. False: the
/// machine stood still for longer than that timeout when it did run.
bool IsWholeAfterAPause(milliseconds idle_timeout) {
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
  std::optional<bool> ended_well;
  auto request = Request(server.url());
  request.idle_timeout = idle_timeout;
  request.on_data = [&](std::string_view data) {
    got += data.size();
    if (pauses > 0) return ClientFlow::kContinue;
    ++pauses;
    return ClientFlow::kPause;
  };
  ClientCall call = client.Start(
      std::move(request), [&](const ClientResponse& response) { ended_well = response.ok(); });
  RunUntil(loop, [&] { return pauses == 1 || ended_well; });
  if (ended_well) return false;
  const std::size_t at_pause = got;
  for (int i = 0; i < 10; ++i) loop.RunOnce(idle_timeout / 2);
  CHECK(got == at_pause);
  CHECK_FALSE(all_sent);
  CHECK(call.active());
  call.Resume();
  CHECK(got == at_pause);  // never inside Resume
  RunUntil(loop, [&] { return ended_well.has_value(); });
  if (*ended_well) CHECK(got == 30'000'000);
  return *ended_well;
}

TEST_CASE("client: a paused call takes nothing until it is resumed, then everything") {
  bool is_whole = false;
  for (auto timeout = milliseconds(20); !is_whole && timeout < seconds(5); timeout *= 5) {
    is_whole = IsWholeAfterAPause(timeout);
  }
  CHECK(is_whole);
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
}  // namespace rivulet::client_test
