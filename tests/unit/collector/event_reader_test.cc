#include "collector/event_reader.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>

#include "base/json.h"

namespace rivulet {
namespace {

using std::chrono::milliseconds;

EventSender Sender(bool trusted = false) {
  EventSender sender;
  sender.user_agent = "Mozilla/5.0";
  sender.remote = "203.0.113.0";
  sender.at = WallTime(milliseconds(5000));
  sender.trusted = trusted;
  return sender;
}

constexpr std::string_view kWhole =
    R"({"t":"impression","p":"p:1","s":"s-1","v":"v_1","i":"i.1","l":"https://a/b?c#d",)"
    R"("r":"https://x/","w":"1280x720","c":"1920x1080","u":1700000000000,)"
    R"("d":{"item":"7","round":3},"new":[1]})";

void CheckWhole(const Event& event) {
  CHECK(event.type == "impression");
  CHECK(event.party == "p:1");
  CHECK(event.session == "s-1");
  CHECK(event.page == "v_1");
  CHECK(event.id == "i.1");
  CHECK(event.location == "https://a/b?c#d");
  CHECK(event.referer == "https://x/");
  CHECK(event.viewport_width == 1280);
  CHECK(event.viewport_height == 720);
  CHECK(event.screen_width == 1920);
  CHECK(event.screen_height == 1080);
  CHECK(event.client_time_ms == 1700000000000);
  CHECK(event.user_agent == "Mozilla/5.0");
  CHECK(event.remote == "203.0.113.0");
  CHECK(event.at == WallTime(milliseconds(5000)));
  REQUIRE(event.parameters != nullptr);
  CHECK(JsonText(*FindMember(*event.parameters, "item")) == "7");
  CHECK(FindMember(*event.parameters, "round")->GetInt() == 3);
}

TEST_CASE("event reader: a body and a query say the same") {
  EventReader reader;
  REQUIRE(reader.ReadBody(kWhole, Sender()).ok());
  REQUIRE(reader.events().size() == 1);
  CHECK(reader.refused().empty());
  CheckWhole(reader.events()[0]);

  reader.ReadQuery(
      "t=impression&p=p:1&s=s-1&v=v_1&i=i.1&l=https%3A%2F%2Fa%2Fb%3Fc%23d&r=https://x/&w=1280x720"
      "&c=1920x1080&u=1700000000000&d=%7B%22item%22:%227%22,%22round%22:+3%7D&new=1&t=other",
      Sender());
  REQUIRE(reader.events().size() == 1);
  CheckWhole(reader.events()[0]);
}

TEST_CASE("event reader: all but the type may be missing, null or empty") {
  EventReader reader;
  for (const std::string_view body :
       {R"({"t":"x"})", R"({"t":"x","p":null,"d":null,"w":"","u":null,"l":"","d":null})"}) {
    REQUIRE(reader.ReadBody(body, Sender()).ok());
    REQUIRE(reader.events().size() == 1);
    const Event& event = reader.events()[0];
    CHECK(event.type == "x");
    CHECK(event.party.empty());
    CHECK(event.location.empty());
    CHECK(event.parameters == nullptr);
    CHECK(event.viewport_width == 0);
    CHECK(event.client_time_ms == 0);
    CHECK_FALSE(event.bot);
  }
  reader.ReadQuery("t=x&p=&d=&w&u=", Sender());
  REQUIRE(reader.events().size() == 1);
  CHECK(reader.events()[0].parameters == nullptr);
}

TEST_CASE("event reader: an event without location has the pixel's referer") {
  EventReader reader;
  EventSender sender = Sender();
  sender.location = "https://shop/page";
  reader.ReadQuery("t=x", sender);
  CHECK(reader.events()[0].location == "https://shop/page");
  reader.ReadQuery("t=x&l=/other", sender);
  CHECK(reader.events()[0].location == "/other");
  const std::string longer(8001, 'x');
  sender.location = longer;
  reader.ReadQuery("t=x", sender);
  CHECK(reader.events()[0].location.empty());
}

TEST_CASE("event reader: parameters without a member are none, however few are allowed") {
  EventLimits limits;
  limits.max_parameters_bytes = 0;
  EventReader reader(limits);
  REQUIRE(reader.ReadBody(R"({"t":"x","d":{}})", Sender()).ok());
  REQUIRE(reader.events().size() == 1);
  CHECK(reader.events()[0].parameters == nullptr);
  reader.ReadQuery("t=x&d=", Sender());
  CHECK(reader.events().size() == 1);
  REQUIRE(reader.ReadBody(R"({"t":"x","d":{"a":1}})", Sender()).ok());
  CHECK(reader.refused().size() == 1);
}

TEST_CASE("event reader: a trusted sender's time is at most what the clock can hold") {
  // 2^63 nanoseconds are 9223372036.854775808 seconds.
  EventReader reader;
  REQUIRE(
      reader
          .ReadBody(R"([{"t":"x","at":9223372036854},{"t":"x","at":9223372036855}])", Sender(true))
          .ok());
  REQUIRE(reader.events().size() == 1);
  CHECK(reader.events()[0].at == WallTime(milliseconds(9223372036854)));
  REQUIRE(reader.refused().size() == 1);
  CHECK(reader.refused()[0].reason.find("at most 9223372036854") != std::string::npos);
}

TEST_CASE("event reader: of a batch the good ones are taken and the bad ones are named") {
  EventReader reader;
  const std::string body =
      fmt::format(R"([{},{{"t":"a b"}},7,{{"t":"last","i":"2"}},{{"p":"x"}}])", kWhole);
  REQUIRE(reader.ReadBody(body, Sender()).ok());
  REQUIRE(reader.events().size() == 2);
  CheckWhole(reader.events()[0]);
  CHECK(reader.events()[1].type == "last");
  REQUIRE(reader.refused().size() == 3);
  CHECK(reader.refused()[0].index == 1);
  CHECK(reader.refused()[0].reason == "type (t) 'a b' must be 1 to 64 of A-Z a-z 0-9 . _ -");
  CHECK(reader.refused()[1].index == 2);
  CHECK(reader.refused()[1].reason == "an event must be a JSON object");
  CHECK(reader.refused()[2].index == 4);
  CHECK(reader.refused()[2].reason == "type (t) is missing: 1 to 64 of A-Z a-z 0-9 . _ -");
}

TEST_CASE("event reader: what cannot be read at all is refused whole") {
  EventReader reader;
  REQUIRE(reader.ReadBody(kWhole, Sender()).ok());
  for (const std::string_view body : {"", "x", "[]", "7", "\"t\"", "null", "{\"t\":\"x\"",
                                      "{\"t\":\"\xff\"}", "[[[[[[", "{\"t\":\"x\"}{\"t\":\"y\"}"}) {
    CAPTURE(body);
    const Status status = reader.ReadBody(body, Sender());
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(reader.events().empty());
    CHECK(reader.refused().empty());
  }
}

TEST_CASE("event reader: a hundred events are a batch, and one more is too many") {
  const auto batch = [](int events) {
    std::string body;
    for (int i = 0; i < events; ++i)
      body += fmt::format(R"({}{{"t":"x","i":"{}"}})", i > 0 ? "," : "", i);
    return "[" + body + "]";
  };
  EventReader reader;
  REQUIRE(reader.ReadBody(batch(100), Sender()).ok());
  CHECK(reader.events().size() == 100);
  CHECK(reader.events()[99].id == "99");
  const Status status = reader.ReadBody(batch(10000), Sender());
  CHECK(status.code() == StatusCode::kTooLarge);
  CHECK(status.message() == "a batch of 10000 events must be of at most 100");
  CHECK(reader.events().empty());
}

TEST_CASE("event reader: what a field may not be, in a body") {
  const std::string long_id(65, 'x');
  const std::string long_url(8001, 'u');
  const std::string deep = R"({"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}})";  // 8
  std::string members = R"({"m0":0)";
  for (int i = 1; i < 65; ++i) members += fmt::format(R"(,"m{}":0)", i);
  struct Case {
    std::string fields;
    std::string reason;  // its beginning; empty: good
  };
  const Case cases[] = {
      {R"("p":"<script>")", "party (p) '<script>' must be at most 64 of A-Z a-z 0-9 : . _ -"},
      {R"("p":")" + long_id + "\"", "party (p) 'xxxx"},
      {R"("p":7)", "party (p) '7' must be"},
      {R"("s":["x"])", "session (s) an array must be"},
      {R"("v":{"a":1})", "page view (v) an object must be"},
      {R"("i":true)", "event id (i) 'true' must be"},
      {R"("i":"a\nb")", "event id (i) 'a\\nb' must be"},
      {R"("i":"a\u0000b")", "event id (i) 'a\\x00b' must be"},
      {R"("i":"é")", "event id (i) '\u00e9' must be"},
      {R"("l":")" + long_url + "\"", "location (l) 'uuu"},
      {R"("l":")" + long_url.substr(1) + "\"", ""},
      {R"("r":1)", "referer (r) '1' must be a URL of at most 8000 bytes"},
      {R"("w":"1280")", "viewport (w) '1280' must be WIDTHxHEIGHT, like 1280x720, each at most"},
      {R"("w":"-1x2")", "viewport (w) '-1x2'"},
      {R"("w":"1x2x3")", "viewport (w) '1x2x3'"},
      {R"("w":"100000x1")", "viewport (w)"},
      {R"("w":[1,2])", "viewport (w) an array"},
      {R"("c":"x")", "screen (c) 'x'"},
      {R"("c":"0x0")", ""},
      {R"("u":-1)", "client time (u) '-1' must be a whole number of milliseconds since 1970"},
      {R"("u":1.5)", "client time (u) '1.5'"},
      {R"("u":1e300)", "client time (u)"},
      {R"("u":"now")", "client time (u) 'now'"},
      {R"("u":"1700000000000")", ""},
      {R"("d":[1])", "parameters (d) an array must be a JSON object"},
      {R"("d":"{}")", "parameters (d) '{}' must be an object"},
      {R"("d":7)", "parameters (d) '7' must be a JSON object"},
      {R"("d":)" + deep, ""},
      {R"("d":{"a":)" + deep + "}", "parameters (d) must be at most 8 levels deep"},
      {R"("d":)" + members + "}", "parameters (d) of 65 members must be of at most 64"},
      {R"("d":{"a":")" + std::string(16384, 'x') + "\"}", "parameters (d) of 16401 bytes must be"},
      {R"("d":{"a":1,"b":{"c":1,"c":2}})", "parameters (d) have the key 'c' twice"},
      {R"("d":{"":1,"":2})", "parameters (d) have the key '' twice"},
  };
  EventReader reader;
  for (const Case& c : cases) {
    CAPTURE(c.fields.substr(0, 100));
    REQUIRE(reader.ReadBody("{\"t\":\"x\"," + c.fields + "}", Sender()).ok());
    CHECK(reader.events().size() == (c.reason.empty() ? 1 : 0));
    if (c.reason.empty()) continue;
    REQUIRE(reader.refused().size() == 1);
    const std::string& reason = reader.refused()[0].reason;
    CHECK_MESSAGE(reason.starts_with(c.reason), reason);
    CHECK(reason.size() < 300);
    for (const char byte : reason) REQUIRE(static_cast<unsigned char>(byte) >= 0x20);
  }
}

TEST_CASE("event reader: what a field may not be, in a query") {
  struct Case {
    std::string query;
    std::string reason;
  };
  const Case cases[] = {
      {"", "type (t) is missing"},
      {"t=", "type (t) is missing"},
      {"T=x", "type (t) is missing"},
      {"t=a%0Ab", "type (t) 'a\\nb' must be"},
      {"t=%ff", "type (t) '\\xff' must be"},
      {"t=a:b", "type (t) 'a:b' must be"},
      {"t=" + std::string(65, 'a'), "type (t) 'aaa"},
      {"t=x&p=%3Cscript%3E", "party (p) '<script>' must be"},
      {"t=x&u=1e3", "client time (u) '1e3' must be"},
      {"t=x&d=7", "parameters (d) '7' must be a JSON object"},
      {"t=x&d=%7B", "parameters (d) '{' must be a JSON object"},
      {"t=x&d=[]", "parameters (d) '[]' must be a JSON object"},
      {"t=x&d=" + std::string(70000, 'x'), "parameters (d) of 70000 bytes must be"},
      {"t=x&l=" + std::string(8001, 'x'), "location (l) 'xxx"},
  };
  EventReader reader;
  for (const Case& c : cases) {
    CAPTURE(c.query.substr(0, 100));
    reader.ReadQuery(c.query, Sender());
    CHECK(reader.events().empty());
    REQUIRE(reader.refused().size() == 1);
    CHECK(reader.refused()[0].index == 0);
    const std::string& reason = reader.refused()[0].reason;
    CHECK_MESSAGE(reason.starts_with(c.reason), reason);
  }
}

TEST_CASE("event reader: only who is trusted says when, who and from where") {
  constexpr std::string_view kBody = R"({"t":"x","at":1000,"ua":"curl/8","remote":"198.51.100.7"})";
  EventReader reader;
  REQUIRE(reader.ReadBody(kBody, Sender(false)).ok());
  REQUIRE(reader.events().size() == 1);
  CHECK(reader.events()[0].at == WallTime(milliseconds(5000)));
  CHECK(reader.events()[0].user_agent == "Mozilla/5.0");
  CHECK(reader.events()[0].remote == "203.0.113.0");
  REQUIRE(reader.ReadBody(kBody, Sender(true)).ok());
  REQUIRE(reader.events().size() == 1);
  CHECK(reader.events()[0].at == WallTime(milliseconds(1000)));
  CHECK(reader.events()[0].user_agent == "curl/8");
  CHECK(reader.events()[0].remote == "198.51.100.7");
  // A stranger may even say nonsense there.
  constexpr std::string_view kBad = R"({"t":"x","at":"yesterday","remote":"<b>"})";
  REQUIRE(reader.ReadBody(kBad, Sender(false)).ok());
  CHECK(reader.events().size() == 1);
  REQUIRE(reader.ReadBody(kBad, Sender(true)).ok());
  REQUIRE(reader.refused().size() == 1);
  CHECK(reader.refused()[0].reason ==
        "time (at) 'yesterday' must be a whole number of milliseconds since 1970, at most "
        "9223372036854");
}

TEST_CASE("event reader: a long user agent is cut at the end of a character") {
  EventReader reader;
  EventSender sender = Sender();
  const std::string agent = std::string(1023, 'a') + "\u20ac" + std::string(5000, 'b');
  sender.user_agent = agent;
  reader.ReadQuery("t=x", sender);
  CHECK(reader.events()[0].user_agent == std::string(1023, 'a'));
}

}  // namespace
}  // namespace rivulet
