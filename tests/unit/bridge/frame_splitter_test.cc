// Frames as pubsub/framing.h describes kFramedAt, written out by hand.
#include "bridge/frame_splitter.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace rivulet {
namespace {

struct Recorder final : FrameSplitter::Sink {
  void OnFrame(std::uint64_t position, std::string_view message) override {
    told.push_back(std::to_string(position) + "=" + std::string(message));
  }
  void OnLongFrame(std::uint64_t position) override {
    told.push_back(std::to_string(position) + " too long");
  }
  void OnNotice(std::string_view notice) override { told.push_back("- " + std::string(notice)); }
  std::vector<std::string> told;
};

using Told = std::vector<std::string>;

TEST_CASE("frame splitter: frames are the same wherever the stream is cut") {
  const std::string stream = "0 5\nhello\n1 0\n\n2 clicks 17 3\na\nb\n- 4\nwell\n10 6\n123456\n";
  const Told expected = {"0=hello", "1=", "2=a\nb", "- well", "10 too long"};
  for (std::size_t a = 0; a <= stream.size(); ++a) {
    for (std::size_t b = a; b <= stream.size(); ++b) {
      FrameSplitter splitter(5);
      Recorder got;
      REQUIRE(splitter.Feed(std::string_view(stream).substr(0, a), &got));
      REQUIRE(splitter.Feed(std::string_view(stream).substr(a, b - a), &got));
      REQUIRE(splitter.Feed(std::string_view(stream).substr(b), &got));
      REQUIRE(got.told == expected);
    }
  }
}

TEST_CASE("frame splitter: what is no frame is told, and ends the reading until a new connection") {
  for (const char* bad : {"5\nhello\n", "x 5\nhello\n", "1 -5\nhello\n", "1 5x\nhello\n", "\n",
                          "1 4\nhello\n", "1 \nhello\n", "-1 5\nhello\n",
                          "99999999999999999999 1\nx\n", "1 99999999999999999999\nx\n"}) {
    CAPTURE(bad);
    FrameSplitter splitter(100);
    Recorder got;
    CHECK_FALSE((splitter.Feed(bad, &got) && splitter.Feed("2 1\ny\n", &got)));
    CHECK_FALSE(splitter.Feed("2 1\ny\n", &got));
    splitter.Reset();
    got.told.clear();
    CHECK(splitter.Feed("2 1\ny\n", &got));
    CHECK(got.told == Told{"2=y"});
  }
  FrameSplitter splitter(100);
  Recorder got;
  CHECK_FALSE(splitter.Feed(std::string(300, '1'), &got));
}

TEST_CASE("frame splitter: an unfinished frame is forgotten with its connection") {
  FrameSplitter splitter(100);
  Recorder got;
  CHECK(splitter.Feed("1 5\nhel", &got));
  splitter.Reset();
  CHECK(splitter.Feed("1 5\nhello\n2 1", &got));
  splitter.Reset();
  CHECK(splitter.Feed("2 1\nx\n", &got));
  CHECK(got.told == Told{"1=hello", "2=x"});
}

}  // namespace
}  // namespace rivulet
