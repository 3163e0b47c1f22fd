#include "bridge/source_url.h"

#include <doctest/doctest.h>

namespace rivulet {
namespace {

TEST_CASE("source URL: /sub and multipart=0 are added where they are missing") {
  CHECK(*SourceUrl("http://h:1") == "http://h:1/sub?multipart=0");
  CHECK(*SourceUrl("http://h:1/") == "http://h:1/sub?multipart=0");
  CHECK(*SourceUrl("http://h:1?topic=a") == "http://h:1/sub?topic=a&multipart=0");
  CHECK(*SourceUrl("http://h:1/sub?multipart=0") == "http://h:1/sub?multipart=0");
  CHECK(*SourceUrl("http://h/x/sub?topic=a&multipart=0&b=c") ==
        "http://h/x/sub?topic=a&multipart=0&b=c");
  CHECK(*SourceUrl("https://h/sub?xmultipart=1") == "https://h/sub?xmultipart=1&multipart=0");
  CHECK(*SourceUrl("http://h/sub?topic=a#part") == "http://h/sub?topic=a&multipart=0");
  CHECK_FALSE(SourceUrl("http://h/sub?multipart=1").ok());
  CHECK_FALSE(SourceUrl("h:8080/sub").ok());
  CHECK_FALSE(SourceUrl("http://").ok());
}

TEST_CASE("positioned source URL: asks for frames with positions, since= last") {
  const std::string asked = "multipart=0&format=framed&offsets=1&heartbeat=20s&since=";
  CHECK(*PositionedSourceUrl("http://h:1") == "http://h:1/sub?" + asked + "now");
  CHECK(*PositionedSourceUrl("http://h/sub?since=earliest&topic=a") ==
        "http://h/sub?topic=a&" + asked + "earliest");
  CHECK(*PositionedSourceUrl("http://h?multipart=0&since=5m&since=1&filter_subject=a") ==
        "http://h/sub?filter_subject=a&" + asked + "5m");
  for (const char* bad :
       {"http://h?format=lines", "http://h?offsets=1", "http://h?heartbeat=1s",
        "http://h?until=now", "http://h?last_event_id=4", "http://h?multipart=1", "h:8080", ""}) {
    CAPTURE(bad);
    CHECK_FALSE(PositionedSourceUrl(bad).ok());
  }
}

TEST_CASE("positioned source URL: a position takes the place of where it was to begin") {
  const auto url = *PositionedSourceUrl("http://h?since=earliest");
  CHECK(UrlFrom(url, std::nullopt) == url);
  CHECK(UrlFrom(url, 0) ==
        "http://h/sub?multipart=0&format=framed&offsets=1&heartbeat=20s&since=0");
  CHECK(UrlOfLines(url) == "http://h/sub?multipart=0");
}

TEST_CASE("source key: the same source is known however it is asked, and by no secret") {
  for (const char* asked :
       {"http://h:1", "http://h:1/", "http://h:1/sub", "http://h:1?since=earliest",
        "http://h:1/sub?token=a&since=5", "http://h:1?token=b&&multipart=0#x",
        "http://user:pass@h:1/sub", "http://h:1?since=now&since=1&token="}) {
    CAPTURE(asked);
    CHECK(SourceKey(*PositionedSourceUrl(asked)) == "http://h:1/sub");
  }
  const auto key = SourceKey(*PositionedSourceUrl("https://h/x?token=s&topic=a&a=me@h&since=1"));
  CHECK(key == "https://h/x?topic=a&a=me@h");
  CHECK(SourceKey(key) == key);
  CHECK(SourceKeys({"http://h/sub?since=1", "http://h/sub?tokens=1"}) ==
        std::vector<std::string>{"http://h/sub", "http://h/sub?tokens=1"});
}

}  // namespace
}  // namespace rivulet
