// What calls leave behind for the next ones: connections, descriptors, handles that are set up.
#include "http/client.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "tests/unit/http/scripted_server.h"

namespace rivulet::client_test {
namespace {

// A request as the scripted server saw it, and on which connection.
struct Seen {
  int connection;
  std::string request;
};

class Record {
 public:
  void Add(int connection, std::string request) {
    const std::lock_guard lock(mutex_);
    seen_.push_back({connection, std::move(request)});
  }
  std::vector<Seen> all() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::vector<Seen> seen_;
};

ScriptedServer::Script RecordAll(Record* record) {
  return [record](Peer& peer) {
    for (std::string request; !(request = peer.Receive()).empty();) {
      record->Add(peer.number(), request);
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  };
}

ClientRequest Post(std::string url, std::string body) {
  auto request = Request(std::move(url), "POST");
  request.body = std::move(body);
  return request;
}

TEST_CASE("client: calls of all kinds in any order are each sent as they were given") {
  Record record;
  ScriptedServer server(RecordAll(&record));
  const std::string host = "Host: " + server.url("").substr(7) + "\r\n";
  struct Kind {
    std::string method, target, header, body;
  };
  const std::string large((std::size_t{1} << 20) + 1, 'l');
  const std::vector<Kind> kinds = {
      {"POST", "/put", "", "one"},      {"POST", "/put", "", "another"},
      {"GET", "/a/../b?x=%s", "", ""},  {"POST", "/put", "X-A: 1", "one"},
      {"POST", "/put", "", ""},         {"POST", "/mput?q=2", "", "one\ntwo"},
      {"PUT", "/put", "", "one"},       {"GET", "/a/../b?x=%s", "", ""},
      {"GET", "/get", "X-A: 1", ""},    {"POST", "/put", "Content-Type: t/x", "one"},
      {"POST", "/put", "", large},      {"GET", "/get", "Accept: t/x", ""},
      {"POST", "/put", "X-A: 2", "one"}};
  EventLoop loop;
  Client client(loop);
  std::vector<std::string> expected;
  // Each kind after each other one, and after itself, twice.
  for (std::size_t i = 0; i < kinds.size() * kinds.size() * 2; ++i) {
    const Kind& kind = kinds[i % 2 == 0 ? i / 2 % kinds.size() : i / 2 / kinds.size()];
    if (kind.body.size() > 100 && i % 16 > 1) continue;
    auto request = Request(server.url(kind.target), kind.method);
    if (!kind.header.empty()) request.headers = {kind.header};
    request.body = kind.body;
    CHECK(client.Fetch(std::move(request)).body == "ok");
    const bool bodiless = kind.method == "GET";
    expected.push_back(
        kind.method + " " + kind.target + " HTTP/1.1\r\n" + host +
        (kind.header.empty() ? "" : kind.header + "\r\n") +
        (bodiless ? "" : "Content-Length: " + std::to_string(kind.body.size()) + "\r\n") + "\r\n" +
        kind.body);
  }
  const auto seen = record.all();
  REQUIRE(seen.size() == expected.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    // In any order of the fields: which comes first says nothing.
    const auto fields = [](const std::string& text) {
      std::string head = text.substr(0, text.find("\r\n\r\n"));
      std::sort(head.begin(), head.end());
      return head;
    };
    const auto first_line = [](const std::string& text) { return text.substr(0, text.find('\r')); };
    const auto body = [](const std::string& text) { return text.substr(text.find("\r\n\r\n")); };
    CHECK(first_line(seen[i].request) == first_line(expected[i]));
    CHECK(fields(seen[i].request) == fields(expected[i]));
    CHECK((body(seen[i].request) == body(expected[i])));
  }
  CHECK(server.connections() == 1);
}

TEST_CASE("client: many calls at once of two kinds have each its own answer") {
  ScriptedServer server([](Peer& peer) {
    for (std::string request; !(request = peer.Receive()).empty();) {
      const std::string said = request.substr(request.find("\r\n\r\n") + 4);
      const std::string answer = said.empty() ? request.substr(4, request.find(" HTTP") - 4) : said;
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(answer.size()) + "\r\n\r\n" +
                answer);
    }
  });
  EventLoop loop;
  Client client(loop);
  std::vector<ClientCall> calls(20);
  int done = 0;
  std::function<void(std::size_t, int)> ask = [&](std::size_t slot, int round) {
    const std::string name = std::to_string(slot) + "-" + std::to_string(round);
    const bool is_post = (slot + static_cast<std::size_t>(round)) % 3 != 0;
    auto request =
        is_post ? Post(server.url("/"), "body " + name) : Request(server.url("/path-" + name));
    const std::string expected = is_post ? "body " + name : "/path-" + name;
    calls[slot] =
        client.Start(std::move(request), [&, slot, round, expected](ClientResponse answer) {
          CHECK(answer.body == expected);
          ++done;
          if (round < 9) ask(slot, round + 1);
        });
  };
  for (std::size_t slot = 0; slot < calls.size(); ++slot) ask(slot, 0);
  RunUntil(loop, [&] { return done == 200; });
  CHECK(server.connections() <= 20);
}

TEST_CASE("client: a call after one that failed, was cancelled or was refused goes as any other") {
  Record record;
  ScriptedServer server(RecordAll(&record));
  ScriptedServer broken(AnswerAll("no HTTP\r\n\r\n"));
  std::atomic<bool> asked = false;
  ScriptedServer silent([&](Peer& peer) {
    peer.Receive();
    asked = true;
    peer.AwaitClose();
  });
  EventLoop loop;
  Client client(loop);
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(client.Fetch(Post(broken.url("/put"), "lost")).ok());
    CHECK(client.Fetch(Post(server.url("/put"), "kept")).ok());
    CHECK_FALSE(client.Fetch(Post("http://bad host/", "lost")).ok());
    CHECK(client.Fetch(Post(server.url("/put"), "kept")).ok());
    asked = false;
    ClientCall call =
        client.Start(Post(silent.url("/put"), "lost"), [](ClientResponse) { FAIL("called"); });
    RunUntil(loop, [&] { return asked.load(); });
    call.Cancel();
    CHECK(client.Fetch(Post(server.url("/put"), "kept")).ok());
  }
  const auto seen = record.all();
  CHECK(seen.size() == 9);
  for (const auto& [connection, request] : seen) {
    CHECK(request.starts_with("POST /put HTTP/1.1\r\n"));
    CHECK(request.ends_with("\r\n\r\nkept"));
  }
}

TEST_CASE("client: what a dying connection did not answer is sent again, to its own URL") {
  // The third request of the first connection finds it closed. (RFC 9110 9.2.2 leaves it to us.)
  Record record;
  ScriptedServer server([&](Peer& peer) {
    for (int i = 0;; ++i) {
      std::string request = peer.Receive();
      if (request.empty() || (peer.number() == 0 && i == 3)) return;
      record.Add(peer.number(), std::move(request));
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  std::string last = "/same";
  SUBCASE("the URL of those before it") {}
  SUBCASE("another URL") { last = "/other?x=1"; }
  EventLoop loop;
  Client client(loop);
  for (int i = 0; i < 3; ++i) CHECK(client.Fetch(Post(server.url("/same"), "x")).ok());
  CHECK(client.Fetch(Post(server.url(last), "again")).ok());
  CHECK(client.Fetch(Post(server.url("/same"), "x")).ok());
  const auto seen = record.all();
  REQUIRE(seen.size() == 5);
  CHECK(seen[3].connection == 1);
  CHECK(seen[3].request.starts_with("POST " + last + " HTTP/1.1\r\n"));
  CHECK(seen[3].request.ends_with("\r\n\r\nagain"));
  CHECK(seen[4].request.starts_with("POST /same HTTP/1.1\r\n"));
}

TEST_CASE("client: a descriptor that a connection gave back is watched for whoever has it next") {
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  SUBCASE("the answer announced the close") { answer.insert(17, "Connection: close\r\n"); }
  SUBCASE("it was closed while nobody asked for anything") {}
  ScriptedServer server([&](Peer& peer) {
    peer.Receive();
    peer.Send(answer);
  });
  EventLoop loop;
  Client client(loop);
  for (int i = 0; i < 3; ++i) {
    CHECK(client.Fetch(Request(server.url())).body == "ok");
    // The close is seen, and a connection that is kept all the same does not wake us for ever.
    int wakings = 0;
    for (auto slept = milliseconds(0); slept < milliseconds(3); ++wakings) {
      REQUIRE(wakings < 1000);
      const auto before = std::chrono::steady_clock::now();
      loop.RunOnce(milliseconds(4));
      slept = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - before);
    }
  }
  // Those that the next sockets get were the client's.
  for (int i = 0; i < 4; ++i) {
    std::array<int, 2> pair{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) == 0);
    bool readable = false;
    {
      IoWatcher watcher(loop, pair[0], [&](bool, bool) { readable = true; });
      watcher.Watch(true, false);
      CHECK(write(pair[1], "x", 1) == 1);
      RunUntil(loop, [&] { return readable; });
    }
    if (i % 2 == 0) CHECK(client.Fetch(Request(server.url())).body == "ok");
    close(pair[0]);
    close(pair[1]);
  }
}

TEST_CASE("client: a short timeout is kept beside and after long ones") {
  ScriptedServer silent([](Peer& peer) { peer.AwaitClose(); });
  ScriptedServer server(AnswerAll("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  EventLoop loop;
  Client client(loop);
  ClientCall patient = client.Start(Request(silent.url()), [](ClientResponse) { FAIL("called"); });
  for (int i = 0; i < 3; ++i) {
    CHECK(client.Fetch(Request(server.url())).ok());
    auto hasty = Request(silent.url());
    hasty.timeout = milliseconds(20);
    CHECK(client.Fetch(std::move(hasty)).status.code() == StatusCode::kUnavailable);
  }
  CHECK(patient.active());
}

TEST_CASE("client: a file of authorities that cannot be read fails the call and is named") {
  ScriptedServer server([](Peer& peer) { peer.AwaitClose(); });
  auto request = Request("https" + server.url().substr(4));
  request.ca_file = "/no/such/authorities.pem";
  const auto response = Fetch(std::move(request));
  CHECK(response.status.code() == StatusCode::kUnavailable);
  CHECK(response.status.message().find("/no/such/authorities.pem") != std::string::npos);
}

}  // namespace
}  // namespace rivulet::client_test
