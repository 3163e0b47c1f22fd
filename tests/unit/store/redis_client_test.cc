// T11: what the client makes of servers that are cut, that lie, and that answer in pieces.
#include "store/redis_client.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "tests/unit/store/redis_fake_server.h"

using namespace rivulet;
using std::chrono::milliseconds;

namespace {

const SystemClock kClock;
constexpr int kPipeline = 64;

RedisClientOptions Options() {
  RedisClientOptions options;
  options.clock = &kClock;
  options.backoff = {milliseconds(1), milliseconds(4)};
  return options;
}

/// A client, and what it was answered.
struct Talk {
  explicit Talk(const RedisFakeServer& server, RedisClientOptions options = Options(),
                Duration timeout = std::chrono::seconds(5))
      : client(
            loop,
            [&] {
              RedisAddress address = server.address();
              address.timeout = timeout;
              return address;
            }(),
            options) {}

  /// Sends a request of one command; its outcome goes to outcomes[name].
  void Send(const std::string& name, std::optional<Duration> patience = std::nullopt) {
    RedisRequest request;
    request.Add({"ECHO", name});
    request.patience = patience;
    ++sent;
    client.Send(std::move(request), [this, name](RedisOutcome outcome) {
      CHECK(outcomes.emplace(name, std::move(outcome)).second);  // exactly one
    });
  }
  /// Until every request has its outcome.
  void Finish() {
    for (int i = 0; i < 5000 && static_cast<int>(outcomes.size()) < sent; ++i) {
      loop.RunOnce(milliseconds(5));
    }
    REQUIRE(static_cast<int>(outcomes.size()) == sent);
  }
  template <typename Condition>
  bool Until(Condition condition) {
    for (int i = 0; i < 5000 && !condition(); ++i) loop.RunOnce(milliseconds(5));
    return condition();
  }

  EventLoop loop;
  RedisClient client;
  std::map<std::string, RedisOutcome> outcomes;
  int sent = 0;
};

std::string Bulk(const std::string& text) {
  std::string bytes;
  AppendRedisWord(&bytes, text);
  return bytes;
}

/// The answers to ECHO 0, 1, 2…
std::string Echoes(int first, int end) {
  std::string bytes;
  for (int i = first; i < end; ++i) bytes += Bulk(std::to_string(i));
  return bytes;
}

/// Each outcome is OK with its own text, or of unknown outcome; returns how many are OK.
int OwnAnswers(const Talk& talk) {
  int own = 0;
  for (const auto& [name, outcome] : talk.outcomes) {
    if (outcome.status.ok()) {
      REQUIRE(outcome.replies.size() == 1);
      CHECK(outcome.replies[0].text == name);
      ++own;
    } else {
      CHECK(outcome.status.code() == StatusCode::kUnknownOutcome);
      CHECK(outcome.replies.empty());
    }
  }
  return own;
}

}  // namespace

TEST_CASE("redis client: a pipeline cut behind any reply, or within it, never shifts by one") {
  // Behind the last one nothing is lost, and whether the end is seen before the next command is
  // luck.
  for (int cut = 0; cut < kPipeline; ++cut) {
    for (const std::string part : {"", "$", "$2\r\n6", "$2\r\n63\r"}) {
      if (!part.empty() && cut % 8 != 0) continue;
      CAPTURE(cut);
      CAPTURE(part);
      RedisFakeServer server({{Echoes(0, cut) + part, kPipeline}, {Bulk("next"), 1, false}});
      Talk talk(server);
      for (int i = 0; i < kPipeline; ++i) talk.Send(std::to_string(i));
      talk.Finish();
      CHECK(OwnAnswers(talk) == cut);
      talk.Send("next");
      talk.Finish();
      CHECK(talk.outcomes["next"].status.ok());
      CHECK(talk.outcomes["next"].replies.at(0).text == "next");
      CHECK(talk.client.connects() == 2);
      // What was sent once is not sent again.
      CHECK(server.received().at(1) == std::vector<std::string>{"ECHO next"});
    }
  }
}

TEST_CASE("redis client: replies that come byte by byte are the same replies") {
  std::string bytes = "*3\r\n:-7\r\n$-1\r\n*2\r\n+OK\r\n$5\r\na\r\nbZ\r\n";
  bytes[bytes.size() - 3] = '\0';
  RedisFakeServer server({{bytes + "-ERR no\r\n*0\r\n*-1\r\n", 4, false, true}});
  Talk talk(server);
  for (const char* name : {"a", "b", "c", "d"}) talk.Send(name);
  talk.Finish();
  const RedisReply& array = talk.outcomes["a"].replies.at(0);
  REQUIRE(array.elements.size() == 3);
  CHECK(array.elements[0].integer == -7);
  CHECK(array.elements[1].kind == RedisReply::Kind::kNil);
  CHECK(array.elements[2].elements.at(0).text == "OK");
  CHECK(array.elements[2].elements.at(1).text == std::string("a\r\nb\0", 5));
  CHECK(talk.outcomes["b"].replies.at(0).kind == RedisReply::Kind::kError);
  CHECK(talk.outcomes["b"].replies.at(0).text == "ERR no");
  CHECK(talk.outcomes["c"].replies.at(0).kind == RedisReply::Kind::kArray);
  CHECK(talk.outcomes["d"].replies.at(0).kind == RedisReply::Kind::kNil);
}

TEST_CASE("redis client: what is no reply, or too large, closes the connection and is named") {
  const std::string long_line = "+" + std::string(70'000, 'x');
  const struct {
    std::string bytes;
    const char* named;
  } kCases[] = {
      {"$9999999999\r\n", "9999999999 bytes"},
      {"$99999999999999999999\r\n", "length"},
      {"$-2\r\n", "out of range"},
      {"$1x\r\na\r\n", "length"},
      {"*2000000000\r\n", "more than 1048576 bytes"},
      {"*99999999999\r\n", "out of range"},
      {"*2\r\n$600000\r\n" + std::string(600'000, 'x') + "\r\n$600000\r\n", "600000 bytes"},
      {"HTTP/1.1 400 Bad Request\r\n", "\"H\""},
      {std::string(1, '\0'), "reply type"},
      {long_line, "a line of more than"},
      {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "nested"},
  };
  for (const auto& row : kCases) {
    const auto& bytes = row.bytes;
    const auto& named = row.named;
    CAPTURE(named);
    RedisFakeServer server({{bytes, 1, false}, {Bulk("next"), 1, false}});
    RedisClientOptions options = Options();
    options.max_reply_bytes = std::size_t{1} << 20;
    Talk talk(server, options);
    talk.Send("a");
    talk.Finish();
    const Status& status = talk.outcomes["a"].status;
    INFO(status.message());
    const bool too_large = status.message().find("bytes") != std::string::npos &&
                           status.message().find("a reply of") != std::string::npos;
    CHECK(status.code() == (too_large ? StatusCode::kTooLarge : StatusCode::kUnknownOutcome));
    CHECK(status.message().find(named) != std::string::npos);
    CHECK(status.message().find(server.address().unix_path) != std::string::npos);
    talk.Send("next");
    talk.Finish();
    CHECK(talk.outcomes["next"].replies.at(0).text == "next");
  }
}

TEST_CASE("redis client: a reply that nobody asked for is nobody's") {
  RedisFakeServer server({{Bulk("a") + Bulk("b"), 1, false},
                          {Bulk("b") + Bulk("c"), 1, false},
                          {"", 1000, false, false, "+PONG\r\n:1\r\n"},
                          {Bulk("c"), 1, false}});
  Talk talk(server);
  talk.Send("a");
  talk.Finish();
  CHECK(OwnAnswers(talk) == 1);
  REQUIRE(talk.Until([&] { return talk.client.connects() >= 2; }));
  talk.Send("b");
  talk.Finish();
  CHECK(OwnAnswers(talk) == 2);
  REQUIRE(talk.Until([&] { return talk.client.connects() >= 4; }));
  talk.Send("c");
  talk.Finish();
  CHECK(OwnAnswers(talk) == 3);
}

TEST_CASE("redis client: a server that loads its data is waited for, and asked later") {
  RedisFakeServer server({{"", 0, true, false, "-LOADING Redis is loading the dataset\r\n"},
                          {"", 0, true, false, "-MASTERDOWN Link with MASTER is down\r\n"},
                          {"", 0, true, false, ""},
                          {Bulk("a"), 1, false}});
  Talk talk(server);
  talk.Send("a");
  REQUIRE(talk.Until([&] { return !talk.client.status().ok(); }));
  CHECK(talk.client.status().code() == StatusCode::kUnavailable);
  CHECK(talk.client.status().message().find("LOADING") != std::string::npos);
  talk.Finish();
  CHECK(OwnAnswers(talk) == 1);
  CHECK(talk.client.status().ok());
}

TEST_CASE("redis client: what cannot get better is said to be so") {
  const std::pair<const char*, const char*> kGreetings[] = {
      {"-NOAUTH Authentication required.\r\n", "needs a password"},
      {"+HELLO\r\n", "is no Redis server"},
      {":1\r\n", "is no Redis server"},
      {"220 mail ready\r\n", "is no Redis server"}};
  for (const auto& row : kGreetings) {
    const auto& greeting = row.first;
    const auto& named = row.second;
    CAPTURE(greeting);
    RedisFakeServer server({{"", 1000, false, false, greeting}});
    Talk talk(server);
    REQUIRE(talk.Until([&] { return talk.client.judged(); }));
    CHECK(talk.client.status().code() == StatusCode::kInvalidArgument);
    CHECK(talk.client.status().message().find(named) != std::string::npos);
  }
}

TEST_CASE("redis client: what waits for a connection is bounded, and may lose its patience") {
  RedisFakeServer server({});
  RedisClientOptions options = Options();
  options.max_queued_requests = 2;
  Talk talk(server, options, milliseconds(100));
  talk.Send("a", milliseconds(10));
  talk.Send("b");
  talk.Send("c");
  CHECK(talk.outcomes["c"].status.code() == StatusCode::kExhausted);
  REQUIRE(talk.Until([&] { return talk.outcomes.count("a") == 1; }));
  CHECK(talk.outcomes["a"].status.code() == StatusCode::kUnavailable);
  talk.Send("d");
  CHECK(talk.client.queued() == 2);
  talk.client.GiveUp("enough");
  talk.Finish();
  CHECK(talk.outcomes["b"].status.code() == StatusCode::kUnavailable);
  CHECK(talk.outcomes["d"].status.code() == StatusCode::kUnavailable);

  options.max_queued_requests = 100;
  options.max_queued_bytes = 100;
  Talk small(server, options);
  small.Send(std::string(60, 'x'));
  small.Send(std::string(61, 'y'));
  CHECK(small.outcomes[std::string(61, 'y')].status.code() == StatusCode::kExhausted);
}

TEST_CASE("redis client: a server that does not answer is left after its time") {
  // A machine that stands still for so long is asked again.
  bool answered = false;
  for (auto timeout = milliseconds(60); !answered && timeout < std::chrono::seconds(10);
       timeout *= 3) {
    RedisFakeServer server({{Bulk("a").substr(0, 3), 1, false}, {Bulk("b"), 1, false}});
    Talk talk(server, Options(), timeout);
    talk.Send("a");
    talk.Finish();
    const Status& left = talk.outcomes["a"].status;
    talk.Send("b", timeout);
    talk.Finish();
    answered = left.code() == StatusCode::kUnknownOutcome && talk.outcomes["b"].status.ok();
    if (!answered) continue;
    const auto says = "no answer within " + std::to_string(timeout.count()) + " ms";
    CHECK(left.message().find(says) != std::string::npos);
  }
  CHECK(answered);
}
