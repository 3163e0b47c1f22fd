#include "pubsub/params.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/pubsub/parsed_request.h"

namespace rivulet {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Until = SubscribeParams::Until;
using Kind = ReplayStart::Kind;

constexpr WallTime kNow{hours(24 * 365 * 50)};

Result<SubscribeParams> Sub(const std::string& query, const std::string& fields = "") {
  const ParsedRequest parsed("GET /sub?" + query, fields);
  return ParseSubscribe(parsed.request(), kNow);
}

SubscribeParams SubOk(const std::string& query, const std::string& fields = "") {
  auto params = Sub(query, fields);
  INFO(query, fields, params.status().message());
  REQUIRE(params.ok());
  return *params;
}

// The error names what was given first, or `names`.
void SubFails(const std::string& query, const std::string& names, const std::string& fields = "") {
  const auto params = Sub(query, fields);
  CAPTURE(query);
  REQUIRE_FALSE(params.ok());
  CHECK(params.status().code() == StatusCode::kInvalidArgument);
  CAPTURE(params.status().message());
  CHECK(params.status().message().find(names) != std::string::npos);
}

Result<PublishParams> Pub(const std::string& line, const std::string& fields = "") {
  const ParsedRequest parsed(line, fields);
  return ParsePublish(parsed.request());
}

TEST_CASE("params: a subscription without parameters is of the default topic, live, in parts") {
  const SubscribeParams params = SubOk("");
  CHECK(params.selection.text() == "default");
  CHECK(params.framing == Framing::kMultipart);
  CHECK(params.start.kind == Kind::kNow);
  CHECK_FALSE(params.resumes);
  CHECK(params.until == Until::kNever);
  CHECK_FALSE(params.skips_when_slow);
  CHECK(params.heartbeat == Duration::zero());
  CHECK_FALSE(params.filtered);
}

TEST_CASE("params: multipart= is read as atoi() of the original reads it") {
  for (const char* value : {"1", "2", "-1", "01", "2x", "%2B3", "+5"}) {
    CAPTURE(value);
    CHECK(SubOk(std::string("multipart=") + value).framing == Framing::kMultipart);
  }
  for (const char* value : {"0", "abc", "", "00", "x1"}) {
    CAPTURE(value);
    CHECK(SubOk(std::string("multipart=") + value).framing == Framing::kLines);
  }
}

TEST_CASE("params: the framing comes from format=, Accept and the upgrade") {
  const std::string accepts = "Accept: text/event-stream\r\n";
  CHECK(SubOk("format=lines").framing == Framing::kLines);
  CHECK(SubOk("format=multipart").framing == Framing::kMultipart);
  CHECK(SubOk("format=sse").framing == Framing::kSse);
  CHECK(SubOk("format=framed").framing == Framing::kFramed);
  CHECK(SubOk("", accepts).framing == Framing::kSse);
  CHECK(SubOk("multipart=0", accepts).framing == Framing::kSse);
  CHECK(SubOk("multipart=0&format=framed").framing == Framing::kFramed);
  CHECK(SubOk("format=lines", accepts).framing == Framing::kLines);
  CHECK(SubOk("", kUpgradeFields).framing == Framing::kWebSocket);
  CHECK(SubOk("multipart=0", kUpgradeFields).framing == Framing::kWebSocket);
  CHECK(SubOk("format=lines&offsets=1").framing == Framing::kLinesAt);
  CHECK(SubOk("format=framed&offsets=1").framing == Framing::kFramedAt);
  CHECK(SubOk("format=sse&offsets=1").framing == Framing::kSse);
  CHECK(SubOk("offsets=1", kUpgradeFields).framing == Framing::kWebSocketAt);
  CHECK(SubOk("format=lines&offsets=0").framing == Framing::kLines);
  CHECK(SubOk("multipart=0&offsets=1").framing == Framing::kLinesAt);
}

TEST_CASE("params: contradictory framings are refused") {
  SubFails("format=xml", "format=xml: must be lines, multipart, sse or framed");
  SubFails("format=", "format=: must be");
  SubFails("offsets=1", "offsets=1: must come with");
  SubFails("format=multipart&offsets=1", "offsets=1: must come with");
  SubFails("offsets=2", "offsets=2: must be 0 or 1");
  SubFails("format=lines", "format: must be left out with a WebSocket", kUpgradeFields);
}

TEST_CASE("params: since= is a word, a position or a time with its unit") {
  CHECK(SubOk("since=now").start.kind == Kind::kNow);
  CHECK(SubOk("since=now").resumes);
  CHECK(SubOk("since=earliest").start.kind == Kind::kEarliest);
  for (const auto& [text, position] : {std::pair<const char*, std::uint64_t>{"0", 0},
                                       {"17", 17},
                                       {"18446744073709551615", UINT64_MAX}}) {
    const SubscribeParams params = SubOk(std::string("since=") + text);
    CHECK(params.start.kind == Kind::kPosition);
    CHECK(params.start.position == position);
    CHECK(params.resumes);
  }
  for (const auto& [text, ago] : {std::pair<const char*, Duration>{"5m", minutes(5)},
                                  {"250ms", milliseconds(250)},
                                  {"1.5h", minutes(90)},
                                  {"0s", seconds(0)}}) {
    const SubscribeParams params = SubOk(std::string("since=") + text);
    CHECK(params.start.kind == Kind::kTime);
    CHECK(params.start.time == kNow - ago);
  }
  for (const char* text : {"", "5q", "-5", "-5m", "1.5", "99999999999999999999", "soon", "5+m",
                           "0x10", "999999999999999999999d", "%00", "Earliest"}) {
    SubFails(std::string("since=") + text, "since=");
  }
  SubFails("since=5q",
           "since=5q: must be earliest, now, a position such as 17 or a time such as 5m");
}

TEST_CASE("params: an event's id is followed, and wins over since=") {
  const SubscribeParams header = SubOk("since=earliest", "Last-Event-ID: 17\r\n");
  CHECK(header.start.kind == Kind::kPosition);
  CHECK(header.start.position == 18);
  CHECK(header.from_event_id);
  CHECK(SubOk("last_event_id=17&since=3").start.position == 18);
  CHECK(SubOk("last_event_id=17", "Last-Event-ID: 20\r\n").start.position == 21);
  // Of several topics: sequence, topic, offset.
  CHECK(SubOk("topic=a,b", "Last-Event-ID: 99 a 4\r\n").start.position == 100);
  CHECK(SubOk("topic=a,b&last_event_id=99+a+4").start.position == 100);
  // The last number there is has nothing behind it.
  CHECK(SubOk("last_event_id=18446744073709551615").start.position == UINT64_MAX);
  CHECK_FALSE(SubOk("last_event_id=").resumes);
  SubFails("last_event_id=x", "last_event_id=x: must be");
  SubFails("", "Last-Event-ID=-1: must be", "Last-Event-ID: -1\r\n");
}

TEST_CASE("params: until= is now or a position, not before since=") {
  CHECK(SubOk("until=now").until == Until::kNow);
  const SubscribeParams params = SubOk("since=3&until=7");
  CHECK(params.until == Until::kPosition);
  CHECK(params.until_position == 7);
  CHECK(SubOk("since=7&until=7").until_position == 7);
  SubFails("since=8&until=7", "until=7: must be at least since=8");
  // An EventSource that comes back has the same URL and has read further.
  CHECK(SubOk("since=3&until=7", "Last-Event-ID: 9\r\n").start.position == 10);
  for (const char* text : {"", "5m", "-1", "later", "99999999999999999999"}) {
    SubFails(std::string("until=") + text, std::string("until=") + text);
  }
}

TEST_CASE("params: a filter has a subject and a pattern") {
  const SubscribeParams params = SubOk("filter_subject=a.b&filter_pattern=%5Ex+y%24");
  CHECK(params.filtered);
  CHECK(params.filter_subject == "a.b");
  CHECK(params.filter_pattern == "^x y$");
  SubFails("filter_subject=a", "filter_subject: must come with filter_pattern");
  SubFails("filter_pattern=a", "filter_pattern: must come with filter_subject");
}

TEST_CASE("params: heartbeat=, slow= and client= are checked") {
  CHECK(SubOk("heartbeat=30s").heartbeat == seconds(30));
  CHECK(SubOk("heartbeat=30").heartbeat == seconds(30));
  CHECK(SubOk("heartbeat=0").heartbeat == Duration::zero());
  for (const char* text : {"", "-1s", "1ms", "25h", "often"}) {
    SubFails(std::string("heartbeat=") + text, std::string("heartbeat=") + text);
  }
  CHECK(SubOk("slow=skip").skips_when_slow);
  CHECK_FALSE(SubOk("slow=kick").skips_when_slow);
  SubFails("slow=wait", "slow=wait: must be kick or skip");
  CHECK(SubOk("client=me-1").client == "me-1");
  SubFails("client=a%20b", "client=a b");
  SubFails("client=" + std::string(65, 'a'), "client=");
}

TEST_CASE("params: an error repeats what was given without its control bytes, and cut") {
  const auto control = Sub("format=a%0D%0Ab");
  REQUIRE_FALSE(control.ok());
  CHECK(control.status().message().find('\n') == std::string::npos);
  const auto large = Sub("since=" + std::string(7000, '9'));
  REQUIRE_FALSE(large.ok());
  CHECK(large.status().message().size() < 300);
}

TEST_CASE("params: topics are parsed as a selection") {
  CHECK(SubOk("topic=b,a").selection.text() == "a,b");
  CHECK(SubOk("topic=clicks.*").selection.has_patterns());
  SubFails("topic=", "topic");
  SubFails("topic=a,,b", "topic");
  SubFails("topic=a%20b", "topic");
  std::string many = "t0";
  for (int i = 1; i < 64; ++i) many += ",t" + std::to_string(i);
  CHECK(SubOk("topic=" + many).selection.names().size() == 64);
  SubFails("topic=" + many + ",t64", "topic");
}

TEST_CASE("params: a publish is of lines, frames or a whole body") {
  using Format = PublishParams::Format;
  for (const auto& row : {std::pair<const char*, Format>{"", Format::kLines},
                          {"?format=lines", Format::kLines},
                          {"?format=framed", Format::kFramed},
                          {"?whole=1", Format::kWhole},
                          {"?whole=0", Format::kLines},
                          {"?whole=1&format=lines", Format::kWhole}}) {
    const auto& query = row.first;
    const auto& format = row.second;
    CAPTURE(query);
    const auto params = Pub(std::string("POST /pub") + query);
    REQUIRE(params.ok());
    CHECK(params->format == format);
    CHECK(params->topic == "default");
  }
  for (const char* query : {"format=xml", "whole=2", "whole=1&format=framed"}) {
    CAPTURE(query);
    CHECK_FALSE(Pub(std::string("POST /pub?") + query).ok());
  }
}

TEST_CASE("params: a WebSocket publishes whole messages unless lines are asked for") {
  using Format = PublishParams::Format;
  CHECK(Pub("GET /pub", kUpgradeFields)->format == Format::kWhole);
  CHECK(Pub("GET /pub?format=lines", kUpgradeFields)->format == Format::kLines);
  CHECK_FALSE(Pub("GET /pub?format=framed", kUpgradeFields).ok());
}

TEST_CASE("params: an Idempotency-Key comes with a body and has a bounded size") {
  CHECK(Pub("POST /pub", "Idempotency-Key: abc\r\n")->key == "abc");
  CHECK(Pub("PUT /pub", "Idempotency-Key: abc\r\n")->key == "abc");
  CHECK(Pub("POST /pub")->key.empty());
  CHECK(Pub("POST /pub", "Idempotency-Key: " + std::string(256, 'k') + "\r\n").ok());
  CHECK_FALSE(Pub("POST /pub", "Idempotency-Key: " + std::string(257, 'k') + "\r\n").ok());
  CHECK_FALSE(Pub("POST /pub", "Idempotency-Key:\r\n").ok());
  CHECK_FALSE(Pub("GET /pub?data=x", "Idempotency-Key: abc\r\n").ok());
}

}  // namespace
}  // namespace rivulet
