#include "bridge/report.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "bridge/message_log.h"

namespace rivulet {
namespace {

/// A bridge that has three messages for two destinations, and has sent nothing yet.
struct Waiting {
  EventLoop loop;
  FakeClock clock;
  MessageLog log{1024};
  Client client{loop};
  MessageFilter filter = MessageFilter::Make({{}, {"drop=1"}}).value();
  HttpDelivery delivery{loop, clock, Config(), &log, nullptr, [] {}};

  Waiting() {
    for (const std::string_view message : {"one", "two", R"({"drop":1})", "three"}) {
      if (filter.Keeps(message)) delivery.Append(message);
    }
    delivery.TooLong();
  }
  static DeliveryConfig Config() {
    DeliveryConfig config;
    config.destinations.resize(2);
    for (auto& destination : config.destinations) destination.post = true;
    config.destinations[0].post_url = "http://127.0.0.1:1/a\"b?token=secret";
    config.destinations[1].post_url = "http://127.0.0.1:1/c";
    config.forwarder.destinations.resize(2);
    return config;
  }
  BridgeParts parts() const { return {nullptr, &filter, &delivery, nullptr}; }
};

std::uint64_t Number(const JsonValue& object, std::string_view key) {
  const JsonValue* value = FindMember(object, key);
  REQUIRE(value != nullptr);
  REQUIRE(value->IsUint64());
  return value->GetUint64();
}

TEST_CASE("bridge report: the JSON says what waits, for each destination") {
  const Waiting waiting;
  JsonDocument document;
  REQUIRE(document.Parse(BridgeStatsJson(waiting.parts())).ok());
  const JsonValue& root = document.root();
  CHECK(Number(root, "received") == 4);
  CHECK(Number(root, "delivered") == 0);
  CHECK(Number(root, "refused") == 1);
  CHECK(Number(root, "dropped") == 0);
  CHECK(Number(root, "filtered") == 1);
  CHECK(Number(root, "pending") == 3);
  CHECK(Number(root, "pending_bytes") == 4 + 4 + 6);
  CHECK(FindMember(root, "source") == nullptr);
  CHECK(FindMember(root, "spool") == nullptr);
  const JsonValue* destinations = FindMember(root, "destinations");
  REQUIRE(destinations != nullptr);
  REQUIRE(destinations->Size() == 2);
  const JsonValue& first = (*destinations)[0];
  CHECK(JsonText(*FindMember(first, "endpoint")) == "POST http://127.0.0.1:1/a\"b");
  CHECK(JsonText(*FindMember(first, "circuit")) == "closed");
  CHECK(Number(first, "lag") == 3);
  CHECK(Number(first, "in_flight") == 0);
  for (const char* none : {"p50_ms", "p99_ms", "last_error", "last_error_time"}) {
    CHECK(FindMember(first, none)->IsNull());
  }
}

TEST_CASE("bridge report: the text has the same names and numbers") {
  const Waiting waiting;
  const std::string text = BridgeStatsText(waiting.parts());
  CHECK(
      text.starts_with("received:4\ndelivered:0\nrefused:1\ndropped:0\nfiltered:1\npending:3\n"
                       "pending_bytes:14\n"));
  CHECK(text.find("destination:POST http://127.0.0.1:1/c\n  circuit:closed\n  delivered:0\n") !=
        std::string::npos);
  CHECK(text.find("secret") == std::string::npos);
}

TEST_CASE("bridge report: metrics tell the two destinations apart") {
  const Waiting waiting;
  std::string text;
  WriteBridgeMetrics(&text, waiting.parts());
  for (const char* line :
       {"\nrivulet_bridge_received_total 4\n", "\nrivulet_bridge_filtered_total 1\n",
        "\nrivulet_bridge_pending_bytes 14\n",
        "\nrivulet_bridge_destination_lag{destination=\"0\","
        "endpoint=\"POST http://127.0.0.1:1/a\\\"b\"} 3\n",
        "\nrivulet_bridge_destination_lag{destination=\"1\","
        "endpoint=\"POST http://127.0.0.1:1/c\"} 3\n"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
  CHECK(text.find("secret") == std::string::npos);
  CHECK(text.find("rivulet_bridge_spool") == std::string::npos);
}

TEST_CASE("bridge report: a source tells where it is") {
  struct Nobody final : PubsubSource::Sink {
    void OnMessage(std::string_view, const SourcePosition&) override {}
    void OnTooLong(const SourcePosition&) override {}
    bool full() const override { return false; }
    void OnSilence() override {}
  };
  Waiting waiting;
  Nobody sink;
  SourceConfig config;
  config.urls = {"http://127.0.0.1:1/sub?token=secret"};
  config.positions = true;
  config.begin_at = {41};
  const PubsubSource source(waiting.loop, waiting.client, config, sink);
  BridgeParts parts = waiting.parts();
  parts.source = &source;
  CHECK(BridgeStatsJson(parts).find(
            R"("source":{"url":"http://127.0.0.1:1/sub","connected":false,"paused":false,)"
            R"("reconnects":0,"missed":0,"position":41})") != std::string::npos);
  CHECK(BridgeStatsText(parts).find("source:http://127.0.0.1:1/sub\n  connected:false\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace rivulet
