#include "bandit/api.h"

#include <doctest/doctest.h>

#include <string>

#include "base/json.h"
#include "http/reply.h"
#include "http/server.h"
#include "tests/unit/bandit/fake_arms.h"
#include "tests/unit/http/loop_client.h"

namespace rivulet {
namespace {

constexpr char kEnd[] = "\n.";  // of an answer to a request after the last one

// The API on a real server, with arms that the test tells.
struct ApiFixture {
  Daemon daemon{"bandit", {}};
  FakeArms source;
  BanditApi api;
  Server server;

  explicit ApiFixture(const BanditApiOptions& options = {})
      : api(daemon, source, options),
        server(daemon.loop(), daemon.clock(), ServerConfig{}, daemon.router(), daemon.metrics()) {
    api.Install();
    daemon.router().Add(kLooks, "/end",
                        [](const Request&, Reply& reply) { reply.Text(200, kEnd); });
    ListenAddress address;
    address.port = 0;
    REQUIRE(server.Listen(address).ok());
  }

  // All that comes for these requests, sent at once.
  std::string Ask(const std::string& requests) {
    LoopClient client(daemon.loop(), server.bound());
    client.Send(requests + Get("/end"));
    return client.ReadUntil(kEnd);
  }
  void Tell(std::vector<BanditArm> arms) { source.Tell(ArmsOf(std::move(arms), 4), Now()); }
  MonoTime Now() const { return daemon.clock().Now(); }
};

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE(
    "bandit api: an item comes with fields that say where it is from, and is not to be kept") {
  ApiFixture test;
  test.Tell({{"only", 1, 1, {}}});
  const std::string answer = test.Ask(Get("/item"));
  CHECK(Has(answer, "\r\nX-Arms: current\r\nX-Arms-Age: 0."));
  CHECK(
      Has(answer, "\r\nX-Round: 4\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff"));
  CHECK(Has(answer, "\r\nContent-Length: 4\r\nContent-Type: text/plain"));
  CHECK(Has(answer, "\r\n\r\nonlyHTTP/1.1 200 OK\r\n"));
}

TEST_CASE("bandit api: pipelined requests are answered in order, and HEAD looks without counting") {
  ApiFixture test;
  test.Tell({{"a", 1, 1, {}}, {"b", 1, 1, {}}});
  const std::string head = "HEAD /item HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string answer = test.Ask(Get("/item?exclude=a") + head + Get("/item?exclude=b"));
  const std::size_t b = answer.find("\r\n\r\nbHTTP");
  const std::size_t a = answer.find("\r\n\r\naHTTP");
  REQUIRE(a != std::string::npos);
  CHECK(b < a);
  CHECK(test.api.stats().picks == 2);
  CHECK(test.api.stats().answers == 2);
}

TEST_CASE("bandit api: a wrong parameter is named with what would be right") {
  BanditApiOptions options;
  options.policy = "lin-ucb";
  options.features = "age+visits";
  ApiFixture linear(options);
  ApiFixture plain;
  linear.Tell({{"a", 1, 1, {}}});
  plain.Tell({{"a", 1, 1, {}}});
  const struct {
    ApiFixture& api;
    std::string query;
    std::string says;
  } kCases[] = {
      {plain, "n=0", "n=0: must be a whole number from 1 to 100\n"},
      {plain, "n=101", "n=101: must be a whole number from 1 to 100\n"},
      {plain, "n=a%0Ab", "n=a\\nb: must be a whole number from 1 to 100\n"},
      {plain, "format=xml", "format=xml: must be text or json\n"},
      {plain, "context={}", "context={}: must not be given: the arms have no context"},
      {linear, "context=3", "context=3: must be a JSON object of numbers: "},
      {linear, "context={%22age%22:%22x%22}", "age must be a number from -1000000 to 1000000\n"},
      {linear, "context={%22visits%22:1000001}",
       "visits must be a number from -1000000 to 1000000\n"},
      {linear, "context={%22age%22:1,%22age%22:2}", "must be a JSON object of numbers: "},
  };
  for (const auto& wrong : kCases) {
    CAPTURE(wrong.query);
    const std::string answer = wrong.api.Ask(Get("/item?" + wrong.query));
    CHECK(Has(answer, "HTTP/1.1 400 Bad Request\r\n"));
    CHECK(Has(answer, wrong.says));
  }
  CHECK(
      Has(linear.Ask(Get("/item?context={%22age%22:3,%22colour%22:%22red%22}")), "\r\n\r\naHTTP"));
}

TEST_CASE("bandit api: a context decides which item is best for it") {
  BanditApiOptions options;
  options.policy = "lin-ucb";
  options.alpha = 0;
  options.features = "young";
  ApiFixture test(options);
  // Of either item 100 impressions, half of them to the young; all clicks of "toy" were theirs.
  test.Tell({{"car", 51, 101, {100, 50, 50, 50, 0}}, {"toy", 51, 101, {100, 50, 50, 50, 50}}});
  for (int i = 0; i < 5; ++i) {
    CHECK(Has(test.Ask(Get("/item?context={%22young%22:1}")), "\r\n\r\ntoyHTTP"));
    CHECK(Has(test.Ask(Get("/item?context={%22young%22:0}")), "\r\n\r\ncarHTTP"));
    CHECK(Has(test.Ask(Get("/item")), "\r\n\r\ncarHTTP"));
  }
}

TEST_CASE("bandit api: a feature with a point in its name is a path, as in the task's messages") {
  BanditApiOptions options;
  options.policy = "lin-ucb";
  options.alpha = 0;
  options.features = "who.young";
  ApiFixture test(options);
  test.Tell({{"car", 51, 101, {100, 50, 50, 50, 0}}, {"toy", 51, 101, {100, 50, 50, 50, 50}}});
  for (int i = 0; i < 5; ++i) {
    CHECK(Has(test.Ask(Get("/item?context={%22who%22:{%22young%22:1}}")), "\r\n\r\ntoyHTTP"));
    CHECK(Has(test.Ask(Get("/item?context={%22who%22:{%22young%22:0}}")), "\r\n\r\ncarHTTP"));
  }
}

TEST_CASE("bandit api: /arms says what of the store cannot be used") {
  BanditApiOptions options;
  options.policy = "lin-ucb";
  options.features = "young";
  ApiFixture test(options);
  test.Tell({{"good", 51, 101, {100, 50, 50, 50, 0}}, {"odd", 51, 101, {-5, 0, 1, 0, 0}}});
  CHECK(Has(test.Ask(Get("/arms")),
            "the sums of 1 arms cannot be used, and they are drawn as "
            "unknown: 'odd'"));
  auto arms = ArmsOf({{"good", 51, 101, {100, 50, 50, 50, 0}}}, 4);
  arms->trouble = "left out: x";
  test.source.Tell(arms, test.Now());
  CHECK(Has(test.Ask(Get("/arms")), "\"status\":\"left out: x\""));
}

TEST_CASE("bandit api: where each request reads, its answer waits for a reading of its own") {
  BanditApiOptions options;
  options.reads_each_request = true;
  ApiFixture test(options);
  LoopClient first(test.daemon.loop(), test.server.bound());
  LoopClient second(test.daemon.loop(), test.server.bound());
  first.Send(Get("/item"));
  CHECK(first.ReadNow().empty());
  REQUIRE(test.source.waiting.size() == 1);
  const auto done = test.source.waiting[0];
  test.source.waiting.clear();
  second.Send(Get("/item"));
  CHECK(second.ReadNow().empty());
  test.Tell({{"a", 1, 1, {}}});
  test.source.EndReadings();  // the second's, which began later and ends before the first
  CHECK(Has(second.ReadNow(), "X-Arms: current\r\n"));
  CHECK(first.ReadNow().empty());
  test.source.Fail("away");
  done();
  const std::string answer = first.ReadNow();
  CHECK(Has(answer, "X-Arms: last-known\r\n"));
  CHECK(answer.ends_with("\r\n\r\na"));
}

TEST_CASE("bandit api: who went away while waiting is forgotten") {
  BanditApiOptions options;
  options.reads_each_request = true;
  ApiFixture test(options);
  LoopClient client(test.daemon.loop(), test.server.bound());
  client.Send(Get("/item"));
  client.ReadNow();
  client.Close();
  for (int i = 0; i < 10; ++i) test.daemon.loop().RunOnce(std::chrono::milliseconds(1));
  test.Tell({{"a", 1, 1, {}}});
  test.source.EndReadings();
  CHECK(test.api.stats().answers == 0);
}

TEST_CASE("bandit api: /arms is JSON for programs, a page for browsers, and a picture on demand") {
  ApiFixture test;
  auto arms = ArmsOf({{"<script>\"", 3, 11, {}}, {"b", 1, 1, {}}}, 2);
  arms->impressions = 12;
  arms->clicks = 2;
  arms->counted_impressions = 10;
  arms->counted_clicks = 2;
  arms->history = {{2, R"({"round":2,"kept":["b"]})"}, {1, "no {json"}};
  test.source.Tell(arms, test.Now());
  const std::string json = test.Ask(Get("/arms"));
  CHECK(Has(json, "Content-Type: application/json\r\n"));
  CHECK(Has(json, R"("impressions":12,"clicks":2,"late":2,"arms_total":2,)"));
  CHECK(Has(json, R"({"item":"b","clicks":1,"impressions":1,"rate":null,"alpha":1)"));
  CHECK(Has(json, R"({"item":"<script>\"","clicks":3,"impressions":11,"rate":0.2,"alpha":3)"));
  CHECK(Has(json, R"("history":[{"round":2,"kept":["b"]},"no {json"]})"));
  JsonDocument document;
  const std::size_t body = json.find("\r\n\r\n") + 4;
  REQUIRE(document.Parse(json.substr(body, json.find("HTTP/1.1", body) - body)).ok());
  const JsonValue& known = (*FindMember(document.root(), "arms"))[0];
  // Beta(1, 1) has its 95 % between these.
  CHECK(JsonNumber(FindMember(known, "mean")) == 0.5);
  CHECK(JsonNumber(FindMember(known, "low")).value() == doctest::Approx(0.025));
  CHECK(JsonNumber(FindMember(known, "high")).value() == doctest::Approx(0.975));
  const std::string page = "GET /arms HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\n\r\n";
  CHECK(Has(test.Ask(page), "<title>bandit arms</title>"));
  const std::string foreign = "GET /arms HTTP/1.1\r\nHost: evil.com\r\nAccept: text/html\r\n\r\n";
  CHECK(Has(test.Ask(foreign), "HTTP/1.1 400 "));
  const std::string picture = test.Ask(Get("/arms?format=svg"));
  CHECK(Has(picture, "Content-Type: image/svg+xml"));
  CHECK(Has(picture, "sandbox\r\n"));
  CHECK(Has(test.Ask(Get("/arms?format=png")), "format=png: must be json, svg or html\n"));
  CHECK(Has(test.Ask(Get("/arms?n=1001")), "n=1001: must be a whole number from 1 to 1000\n"));
}

TEST_CASE("bandit api: picks are answered while the likely rates of many arms are computed") {
  ApiFixture test;
  std::vector<BanditArm> arms;
  for (int i = 1'000; i < 2'000; ++i) arms.push_back({std::to_string(i), i, 90'000 + i, {}});
  test.Tell(arms);
  LoopClient looks(test.daemon.loop(), test.server.bound());
  looks.Send(Get("/arms?n=1000"));
  const std::string pick = test.Ask(Get("/item"));
  CHECK(Has(pick, "X-Arms: current\r\n"));
  CHECK(looks.ReadNow().empty());
  CHECK(Has(looks.ReadUntil("\"history\":[]}\n"), "\"item\":\"1000\""));
}

TEST_CASE("bandit api: of many arms /arms shows the best, and says how many there are") {
  ApiFixture test;
  std::vector<BanditArm> arms;
  for (int i = 10'000; i < 20'000; ++i) arms.push_back({std::to_string(i), 1 + i % 50, 100, {}});
  test.Tell(arms);
  const std::string json = test.Ask(Get("/arms?n=3"));
  CHECK(Has(json, "\"arms_total\":10000,"));
  CHECK(Has(json, "{\"item\":\"10049\",\"clicks\":50,"));
  CHECK(Has(json, "{\"item\":\"10149\","));
  CHECK_FALSE(Has(json, "{\"item\":\"10048\","));
}

}  // namespace
}  // namespace rivulet
