// What strangers send: the message is a line of JSON, no longer than it may be, whatever they do.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "tests/unit/collector/mapping_support.h"
#include "tests/unit/scaled.h"

namespace rivulet {
namespace {

void CheckLine(const std::string& message) {
  JsonDocument document;
  const Status parsed =
      document.Parse(message, {.refuse_duplicate_keys = true, .require_object = true});
  REQUIRE_MESSAGE(parsed.ok(), parsed.message());
  REQUIRE(message.find('\n') == std::string::npos);
  REQUIRE(message.size() <= Mapping::kMaxMessageBytes);
}

constexpr const char* kWide =
    "a = location\nb = location.path.1\nc = location.query.q\nd = location.fragment.query.q\n"
    "e = user_agent\nf = location.host\ng.h = location.query.q as json\ni = location.query.q as "
    "number\nj = location.scheme\nk = location.port\nl = location.fragment.path.1\n"
    "m = param as text\ng.n = param.q\ng.o = location.query";

TEST_CASE("mapping: whatever bytes an event has, the message is one line of JSON") {
  const char* const seed_text = std::getenv("RIVULET_SEED");
  const auto seed = seed_text == nullptr ? 20261121U : static_cast<unsigned>(std::atol(seed_text));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Mapping mappings[] = {Mapping::Everything(), MappingOf(kWide)};
  // Bytes that mean something are chosen as often as all the others.
  constexpr std::string_view kMarks("/?#&=%+:@[]\"\\{}.,qhtps041 \n\r\0", 29);
  for (int i = 0; i < LongerIfAsked(Scaled(2000)); ++i) {
    const auto bytes = [&random, &kMarks] {
      std::string text(random() % 60, '\0');
      for (char& c : text) {
        c = random() % 2 == 0 ? kMarks[random() % kMarks.size()] : static_cast<char>(random());
      }
      return text;
    };
    const std::string location = bytes();
    const std::string agent = bytes();
    const std::string type = bytes();
    std::string parameters = "{\"q\":";
    AppendJsonString(&parameters, bytes());
    EventWith with(parameters + "}");
    with.event().type = type;
    with.event().location = location;
    with.event().referer = agent;
    with.event().user_agent = agent;
    for (const Mapping& mapping : mappings) CheckLine(Apply(mapping, with.event()));
  }
}

TEST_CASE("mapping: a script in every field is a text") {
  const std::string script = "</script><script>alert(\"1\")</script>\r\n\x1b[31m";
  Event event;
  event.type = event.party = event.session = event.page = event.id = script;
  event.location = event.referer = event.user_agent = event.remote = script;
  std::string written;
  AppendJsonString(&written, script);
  const std::string message = Apply(Mapping::Everything(), event);
  CheckLine(message);
  JsonDocument document;
  REQUIRE(document.Parse(message).ok());
  for (const char* field : {"type", "party", "location", "referer", "user_agent", "remote"}) {
    CHECK(JsonText(*FindMember(document.root(), field)) == script);
  }
}

TEST_CASE("mapping: a text is cut at the end of a character, and that is counted") {
  const Mapping mapping = MappingOf("x = user_agent");
  std::string agent(Mapping::kMaxTextBytes - 1, 'a');
  Event event;
  event.user_agent = agent;
  CHECK(Apply(mapping, event) == "{\"x\":\"" + agent + "\"}");
  CHECK(mapping.shortened() == 0);
  const std::string longer = agent + "\u20ac\u20ac";
  event.user_agent = longer;
  CHECK(Apply(mapping, event) == "{\"x\":\"" + agent + "\"}");
  CHECK(mapping.shortened() == 1);
  // No characters at all: bytes that only go on.
  const std::string tails(3 * Mapping::kMaxTextBytes, '\x80');
  event.user_agent = tails;
  CheckLine(Apply(mapping, event));
}

TEST_CASE("mapping: what would make the message too long is left out, and the rest is there") {
  std::string text;
  for (int i = 0; i < 20; ++i) text += "o.a" + std::to_string(i) + " = user_agent\n";
  text += "last = type\n";
  const Mapping mapping = MappingOf(text);
  const std::string agent(20000, 'a');
  Event event;
  event.type = "t";
  event.user_agent = agent;
  const std::string message = Apply(mapping, event);
  CheckLine(message);
  CHECK(message.ends_with(R"(},"last":"t"})"));
  // 7 fields of 8 KiB and some bytes fit in 64 KiB.
  CHECK(message.size() > 7 * Mapping::kMaxTextBytes);
  CHECK(mapping.shortened() == 20);

  // Six bytes for each.
  const std::string control(20000, '\x01');
  event.user_agent = control;
  CheckLine(Apply(mapping, event));
}

TEST_CASE("mapping: 60 levels are left out, because the message would not parse") {
  const std::string deep = std::string(60, '[') + std::string(60, ']');
  EventWith with("{\"a\":" + deep + ",\"b\":1}");
  CHECK(Apply("a.b.c.d.e.f.g.h = param.a\nb = param.b", with.event()) == R"({"b":1})");
  const std::string in_query = "?q=" + deep;
  CHECK(Apply("a.b.c.d.e.f.g.h = location.query.q as json", At(in_query)) == "{}");
  const std::string shallow = std::string(32, '[') + std::string(32, ']');
  EventWith held("{\"a\":" + shallow + "}");
  CheckLine(Apply("a.b.c.d.e.f.g.h = param.a", held.event()));
  CHECK(Apply("a = param.a", held.event()) == "{\"a\":" + shallow + "}");
}

TEST_CASE("mapping: 10,000 parameters and a thousand fields") {
  std::string parameters = "{\"p0\":0";
  for (int i = 1; i < 10000; ++i) parameters += fmt::format(",\"p{}\":{}", i, i);
  EventWith with(parameters + "}");
  CheckLine(Apply("all = param\none = param.p9999", with.event()));
  CHECK(Apply("all = param\none = param.p9999", with.event()) == R"({"one":9999})");
  std::string text;
  for (int i = 0; i < 1000; ++i) text += fmt::format("f{} = location\n", i);
  const Mapping mapping = MappingOf(text);
  CHECK(mapping.fields() == 1000);
  const std::string location(1000, 'x');
  CheckLine(Apply(mapping, At(location)));
}

}  // namespace
}  // namespace rivulet
