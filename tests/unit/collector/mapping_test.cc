#include "collector/mapping.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <chrono>
#include <fstream>

#include "tests/unit/collector/mapping_support.h"

namespace rivulet {
namespace {

// As it stands in collector/mapping.h.
constexpr std::string_view kExample = R"(
# A line a statement; what is behind # is a comment.
at     = time                       # server time, milliseconds since 1970
type   = type
party  = party
url    = location
source = location.fragment.query.source
item   = param.productId
price  = param.price as number
shop   = "north"                    # always this text
geo.country = param.country or "unknown"      # geo is an object in the message

when type is page_view and location.fragment.query.source is top_pick
  type = "click"                    # later lines win
  item = location.path.2            # the second segment
end
drop when bot or duplicate
)";

TEST_CASE("mapping: the example makes a click of a page view that a pick led to") {
  Event event = At("https://shop.example/products/42#?source=top_pick");
  event.party = "p1";
  event.at = WallTime(std::chrono::milliseconds(1500));
  CHECK(Apply(kExample, event) ==
        R"({"at":1500,"type":"click","party":"p1",)"
        R"("url":"https://shop.example/products/42#?source=top_pick","source":"top_pick",)"
        R"("item":"42","shop":"north","geo":{"country":"unknown"}})");
}

TEST_CASE("mapping: the example leaves other page views and impressions what they are") {
  CHECK(Apply(kExample, At("https://shop.example/products/42")) ==
        R"({"at":0,"type":"page_view","url":"https://shop.example/products/42","shop":"north",)"
        R"("geo":{"country":"unknown"}})");
  EventWith impression(R"({"productId":"7","price":"9.50","country":"no"})");
  CHECK(Apply(kExample, impression.event()) ==
        R"({"at":0,"type":"impression","item":"7","price":9.5,"shop":"north",)"
        R"("geo":{"country":"no"}})");
}

TEST_CASE("mapping: the example drops bots and duplicates") {
  Event event = At("https://shop.example/");
  event.bot = true;
  CHECK(Apply(kExample, event) == "dropped");
  event.bot = false;
  event.duplicate = true;
  CHECK(Apply(kExample, event) == "dropped");
}

TEST_CASE("mapping: the parts of a URL, by RFC 3986") {
  struct Case {
    const char* source;
    const char* url;
    const char* value;  // JSON; nullptr: none
  };
  const char* const kUrl =
      "HTTPS://user:p@ss@Shop.Example:8443/a%20b//c/?q=1+2&q=3&e=&flag&a%62=x#/x/y%2Fz?s=%C3%A9&t";
  const Case cases[] = {
      {"location.scheme", kUrl, R"("https")"},
      {"location.host", kUrl, R"("shop.example")"},
      {"location.port", kUrl, "8443"},
      {"location.path", kUrl, R"("/a%20b//c/")"},
      {"location.path.1", kUrl, R"("a b")"},
      {"location.path.2", kUrl, nullptr},
      {"location.path.3", kUrl, R"("c")"},
      {"location.path.4", kUrl, nullptr},
      {"location.path.5", kUrl, nullptr},
      {"location.query", kUrl, R"("q=1+2&q=3&e=&flag&a%62=x")"},
      {"location.query.q", kUrl, R"("1 2")"},
      {"location.query.Q", kUrl, nullptr},
      {"location.query.e", kUrl, R"("")"},
      {"location.query.flag", kUrl, R"("")"},
      {"location.query.ab", kUrl, R"("x")"},
      {"location.query.none", kUrl, nullptr},
      {"location.fragment", kUrl, R"("/x/y%2Fz?s=%C3%A9&t")"},
      {"location.fragment.path", kUrl, R"("/x/y%2Fz")"},
      {"location.fragment.path.2", kUrl, R"("y/z")"},
      {"location.fragment.query", kUrl, R"("s=%C3%A9&t")"},
      {"location.fragment.query.s", kUrl, "\"\u00e9\""},
      {"location.fragment.query.t", kUrl, R"("")"},
      {"location.port", "http://[::1]:80/", "80"},
      {"location.host", "http://[::1]:80/", R"("[::1]")"},
      {"location.host", "http://[2001:db8::1]", R"("[2001:db8::1]")"},
      {"location.port", "http://a:99999/", nullptr},
      {"location.port", "http://a:/", nullptr},
      {"location.port", "http://a/", nullptr},
      {"location.path", "http://a?b", nullptr},
      {"location.query", "http://a?b", R"("b")"},
      {"location.host", "//a/b", R"("a")"},
      {"location.host", "/a/b", nullptr},
      {"location.scheme", "/a:b", nullptr},
      {"location.path.2", "/a/b?c", R"("b")"},
      {"location.scheme", "about:blank", R"("about")"},
      {"location.path.1", "about:blank", R"("blank")"},
      {"location.fragment.query.source", "https://a/b#source=x", nullptr},
      {"location.fragment.path", "https://a/b#source=x", R"("source=x")"},
      {"location.fragment.query.x", "https://a/b#?x=1#y", R"("1")"},
      {"location.query.a", "?a=%zz%4", R"("%zz%4")"},
      {"location.query.a", "?a=%00", R"("\u0000")"},
      {"location.query.a", "?a=%ff", "\"\uFFFD\""},
      {"location", "", nullptr},
      {"location.path", "", nullptr},
  };
  for (const Case& c : cases) {
    CAPTURE(c.source);
    CAPTURE(c.url);
    const std::string value = c.value == nullptr ? "{}" : std::string("{\"x\":") + c.value + "}";
    CHECK(Apply(std::string("x = ") + c.source, At(c.url)) == value);
    Event referred;
    referred.type = "t";
    referred.referer = c.url;
    const std::string source = "referer" + std::string(c.source).substr(8);
    CHECK(Apply("x = " + source, referred) == value);
  }
}

TEST_CASE("mapping: sources that are no URL") {
  Event event = At("");
  event.session = "s1";
  event.page = "v1";
  event.id = "i1";
  event.user_agent = "Mozilla";
  event.remote = "203.0.113.0";
  event.viewport_width = 800;
  event.viewport_height = 600;
  event.client_time_ms = 1700000000123;
  // 2026-11-21 is day 20778 since 1970: 56 years, 14 leap days (1972 to 2024), 324 days.
  event.at = WallTime(std::chrono::hours(24 * (56 * 365 + 14 + 324)) +
                      std::chrono::milliseconds(17400007));
  CHECK(Apply("a = session\nb = page\nc = id\nd = user_agent\ne = remote\nf = viewport.width\n"
              "g = viewport.height\nh = screen.width\ni = client_time\nj = time.iso\nk = bot\n"
              "l = duplicate\nm = party\nn = param\no = param.x",
              event) ==
        R"({"a":"s1","b":"v1","c":"i1","d":"Mozilla","e":"203.0.113.0","f":800,"g":600,)"
        R"("i":1700000000123,"j":"2026-11-21T04:50:00.007Z","k":false,"l":false})");
}

TEST_CASE("mapping: parameters keep what they are, and `as` makes something else of them") {
  EventWith with(
      R"({"t":"12","f":"1.5","w":"x","n":3,"d":2.0,"h":0.5,"b":true,"z":null,"e":"","one":1,)"
      R"("a":[1,"x"],"o":{"p":{"q":"deep"}},"k.l":"dotted","big":18446744073709551615,)"
      R"("j":"{\"a\": [1, 2]}","yes":"true","inf":"inf","huge":"1e999","s":" 1"})");
  struct Case {
    const char* right;
    const char* value;  // nullptr: none
  };
  const Case cases[] = {
      {"param.t", R"("12")"},
      {"param.n", "3"},
      {"param.h", "0.5"},
      {"param.b", "true"},
      {"param.z", nullptr},
      {"param.e", R"("")"},
      {"param.a", R"([1,"x"])"},
      {"param.o.p.q", R"("deep")"},
      {"param.o.p", R"({"q":"deep"})"},
      {"param.k.l", R"("dotted")"},
      {"param.big", "18446744073709551615"},
      {"param.t as number", "12"},
      {"param.f as number", "1.5"},
      {"param.w as number", nullptr},
      {"param.w as number or 0", "0"},
      {"param.e as number", nullptr},
      {"param.inf as number", nullptr},
      {"param.huge as number", nullptr},
      {"param.s as number", nullptr},
      {"param.b as number", nullptr},
      {"param.a as number", nullptr},
      {"param.big as number", "18446744073709551615"},
      {"param.t as integer", "12"},
      {"param.f as integer", nullptr},
      {"param.d as integer", "2"},
      {"param.h as integer", nullptr},
      {"param.yes as boolean", "true"},
      {"param.one as boolean", "true"},
      {"param.n as boolean", nullptr},
      {"param.t as boolean or false", "false"},
      {"param.n as text", R"("3")"},
      {"param.b as text", R"("true")"},
      {"param.a as text", R"("[1,\"x\"]")"},
      {"param.z as text", nullptr},
      {"param.j as json", R"({"a":[1,2]})"},
      {"param.t as json", "12"},
      {"param.w as json", nullptr},
      {"param.w as json or -1.50", "-1.50"},
      {"param.missing or \"a \\\"b\\\" \\u00e9\"", "\"a \\\"b\\\" \u00e9\""},
      {"param.missing or true", "true"},
      {"-3", "-3"},
      {"1e6", "1e6"},
      {"\"#\"  # no comment in quotes", "\"#\""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.right);
    const std::string value = c.value == nullptr ? "{}" : std::string("{\"x\":") + c.value + "}";
    CHECK(Apply(std::string("x = ") + c.right, with.event()) == value);
  }
}

TEST_CASE("mapping: what holds, by the manual page") {
  EventWith with(R"({"n":3,"t":"3","b":true,"no":false,"a":[1],"e":"","w":"is"})");
  with.event().location = "https://shop.example/products/42";
  with.event().user_agent = "curl/8.0";
  struct Case {
    const char* condition;
    bool holds;
  };
  const Case cases[] = {
      {"type is impression", true},
      {"type is \"impression\"", true},
      {"type is Impression", false},
      {"type is click, impression", true},
      {"type is not click , view", true},
      {"type is not click, impression", false},
      {"party is x", false},
      {"party is not x", true},
      {"party exists", false},
      {"not party exists", true},
      {"param.n is 3", true},
      {"param.n is 3.0", true},
      {"param.n is \"3\"", false},
      {"param.t is 3", true},
      {"param.t is 3.0", false},
      {"param.b is true", true},
      {"param.b", true},
      {"param.no", false},
      {"param.t", false},
      {"param.e exists", true},
      {"param.e is \"\"", true},
      {"param.a is 1", false},
      {"param.w is \"is\"", true},
      {"location begins with https://shop.", true},
      {"location.path begins with /b, /products/", true},
      {"location.path begins with products", false},
      {"param.n begins with 3", false},
      {"user_agent contains curl, wget", true},
      {"user_agent contains Curl", false},
      {"bot", false},
      {"not bot and not duplicate", true},
      {"bot or type is impression and not duplicate", true},
      {"(bot or type is impression) and duplicate", false},
      {"type is impression or bot and bot", true},  // `and` first
      {"not bot or type is impression", true},      // `not` first
      {"not (bot or type is impression)", false},
      {"not not not bot", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.condition);
    CHECK(Apply("x = 0\nkeep when " + std::string(c.condition), with.event()) ==
          (c.holds ? R"({"x":0})" : "dropped"));
    CHECK(Apply("x = 0\ndrop when " + std::string(c.condition), with.event()) ==
          (c.holds ? "dropped" : R"({"x":0})"));
    CHECK(Apply("x = 0\nwhen " + std::string(c.condition) + "\nx = 1\nend\ny = 2", with.event()) ==
          (c.holds ? R"({"x":1,"y":2})" : R"({"x":0,"y":2})"));
  }
}

TEST_CASE("mapping: later lines win, and a source without a value takes nothing away") {
  EventWith with(R"({"a":"first"})");
  CHECK(Apply("x = param.a\nwhen type exists\n  x = param.b\nend", with.event()) ==
        R"({"x":"first"})");
  CHECK(Apply("x = param.a\nwhen type exists\n  x = param.b or \"second\"\nend", with.event()) ==
        R"({"x":"second"})");
}

TEST_CASE("mapping: blocks in blocks, and a drop within") {
  const Mapping mapping = MappingOf(
      "x = 0\nwhen type is a, b\n x = 1\n when type is b\n  drop\n end\n y = 1\nend\nz = 1");
  CHECK(mapping.fields() == 3);
  Event event;
  event.type = "a";
  CHECK(Apply(mapping, event) == R"({"x":1,"y":1,"z":1})");
  event.type = "b";
  CHECK(Apply(mapping, event) == "dropped");
  event.type = "c";
  CHECK(Apply(mapping, event) == R"({"x":0,"z":1})");
}

TEST_CASE("mapping: an object's fields stand together, and one without a value is not there") {
  EventWith with(R"({"a":1})");
  CHECK(Apply("g.a = param.a\nx = 1\ng.b.c = 2\ng.b.d = param.z\nh.a.b = param.z\n@t = 3",
              with.event()) == R"({"g":{"a":1,"b":{"c":2}},"x":1,"@t":3})");
  CHECK(Apply("g.a = param.z", with.event()) == "{}");
}

TEST_CASE("mapping: a field may be called like a statement") {
  Event event = At("");
  CHECK(Apply("end = 1\r\n\tdrop = 2\r\nwhen=type\r\nkeep\t=\"x\"", event) ==
        R"({"end":1,"drop":2,"when":"page_view","keep":"x"})");
}

TEST_CASE("mapping: a message that was made before leaves nothing in the next") {
  const Mapping mapping = MappingOf("a = param.a\nb = location.query.b\nc = location.path.1");
  EventWith with(R"({"a":"x"})");
  with.event().location = "/p%20q?b=%41";
  CHECK(Apply(mapping, with.event()) == R"({"a":"x","b":"A","c":"p q"})");
  CHECK(Apply(mapping, At("/r")) == R"({"c":"r"})");
  CHECK(Apply(mapping, At("")) == "{}");
}

TEST_CASE("mapping: everything says all that is known, under its own name") {
  EventWith with(R"({"item":"7"})");
  Event& event = with.event();
  event.party = "p";
  event.viewport_width = 80;
  CHECK(Apply(Mapping::Everything(), event) ==
        R"({"time":0,"type":"impression","party":"p","viewport":{"width":80},"bot":false,)"
        R"("duplicate":false,"param":{"item":"7"}})");
}

TEST_CASE("mapping: a file is read; one that is not there is named") {
  const std::string path = "/tmp/rivulet_mapping_test_" + std::to_string(getpid());
  std::ofstream(path) << "x = type\n";
  const auto mapping = Mapping::Read(path);
  REQUIRE(mapping.ok());
  CHECK(Apply(*mapping, At("")) == R"({"x":"page_view"})");
  std::ofstream(path) << "x = tipe\n";
  CHECK(Mapping::Read(path).status().message().starts_with(path + ":1: "));
  std::remove(path.c_str());
  CHECK(Mapping::Read(path).status().message() == path + ": No such file or directory");
}

}  // namespace
}  // namespace rivulet
