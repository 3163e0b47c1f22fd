#include "collector/origin.h"

#include <doctest/doctest.h>

namespace rivulet {
namespace {

TEST_CASE("origin: what stands before the path of a URL") {
  CHECK(OriginOf("https://shop.example/a?b#c") == "https://shop.example");
  CHECK(OriginOf("http://127.0.0.1:8090") == "http://127.0.0.1:8090");
  CHECK(OriginOf("https://[::1]:8090/") == "https://[::1]:8090");
  CHECK(OriginOf("https://shop.example?a=/") == "https://shop.example");
  for (const char* none : {"", "null", "about:blank", "://a", "https:///a", "/a"}) {
    CAPTURE(none);
    CHECK(OriginOf(none).empty());
  }
}

TEST_CASE("origin: a page may send when its origin is allowed or the host is its own") {
  const std::vector<std::string> allowed = {"https://shop.example"};
  CHECK(RefererAllowed("https://shop.example/a", allowed, "events.example"));
  CHECK(RefererAllowed("http://Events.example/a", allowed, "events.example"));
  for (const char* other :
       {"http://shop.example/", "https://shop.example:444/", "https://shop.example.evil/",
        "https://evil/https://shop.example/", "https://shop.example@evil/", "about:blank", ""}) {
    CAPTURE(other);
    CHECK_FALSE(RefererAllowed(other, allowed, "events.example"));
    CHECK(RefererAllowed(other, {"*"}, "events.example"));
  }
  CHECK_FALSE(RefererAllowed("https://shop.example/", {}, ""));
}

}  // namespace
}  // namespace rivulet
