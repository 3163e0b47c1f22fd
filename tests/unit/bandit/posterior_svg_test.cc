#include "bandit/posterior_svg.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "tests/unit/bandit/fake_arms.h"

namespace rivulet {
namespace {

Picker PickerOf(std::vector<BanditArm> arms) {
  Picker picker(PickRules{});
  picker.Use(ArmsOf(std::move(arms)));
  return picker;
}

std::size_t Count(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

// Enough of XML's rules for what the picture is made of: tags are closed in order, and no bare & or
// < is left.
bool IsWellFormed(const std::string& svg) {
  std::vector<std::string> open;
  for (std::size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
    const std::size_t end = svg.find('>', at);
    if (end == std::string::npos || svg.find('<', at + 1) < end) return false;
    const std::string tag = svg.substr(at + 1, end - at - 1);
    if (tag.ends_with('/')) continue;
    if (!tag.starts_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
      continue;
    }
    if (open.empty() || open.back() != tag.substr(1)) return false;
    open.pop_back();
  }
  for (std::size_t at = svg.find('&'); at != std::string::npos; at = svg.find('&', at + 1)) {
    const std::size_t end = svg.find(';', at);
    if (end == std::string::npos || end - at > 5) return false;
  }
  return open.empty();
}

TEST_CASE("posterior picture: each of the best arms has a curve, its id and what was seen") {
  std::vector<BanditArm> arms;
  for (int i = 0; i < 20; ++i) arms.push_back({"arm" + std::to_string(10 + i), 2 + i, 101, {}});
  const std::string svg = PosteriorSvg(PickerOf(arms));
  CHECK(IsWellFormed(svg));
  CHECK(Count(svg, "class=\"curve\"") == kPicturedArms);
  CHECK(svg.find("the best 12 of 20 arms") != std::string::npos);
  CHECK(svg.find(">arm29<") < svg.find(">arm28<"));
  CHECK(svg.find(">arm17<") == std::string::npos);
  CHECK(svg.find(">20 of 100<") != std::string::npos);
  CHECK(svg.find(">20.00 %<") != std::string::npos);
}

TEST_CASE("posterior picture: whatever an id holds, it is text") {
  const std::string ids[] = {
      "<script>alert(1)</script>", "\"><svg onload=x>", "&amp;", "a\nb\0c", "\xff\xfe", "]]>",
      std::string(256, '<'),       std::string(1, '\0')};
  for (const std::string& id : ids) {
    CAPTURE(id);
    const std::string svg = PosteriorSvg(PickerOf({{id, 5, 50, {}}}));
    CHECK(IsWellFormed(svg));
    CHECK(svg.find("<script") == std::string::npos);
    CHECK(svg.find("onload=x>") == std::string::npos);
    CHECK(svg.find('\0') == std::string::npos);
  }
}

TEST_CASE("posterior picture: extreme counters draw no number that is none") {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::vector<BanditArm> kCases[] = {
      {{"a", 1, 1, {}}},
      {{"a", kMost, kMost, {}}, {"b", 1, kMost, {}}, {"c", 1, 1, {}}},
      {{"a", 0, 0, {}}, {"b", -5, -7, {}}},
      {{"a", 1000, 1, {}}},
      {{"a", 1, 1'000'000'000, {}}, {"b", 500'000'000, 1'000'000'000, {}}}};
  for (const auto& arms : kCases) {
    CAPTURE(arms[0].clicks);
    const std::string svg = PosteriorSvg(PickerOf(arms));
    CHECK(IsWellFormed(svg));
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
    CHECK(svg.size() < 100'000);
  }
}

TEST_CASE("posterior picture: without arms it says so") {
  const std::string svg = PosteriorSvg(Picker(PickRules{}));
  CHECK(IsWellFormed(svg));
  CHECK(svg.find("there are no arms yet") != std::string::npos);
}

}  // namespace
}  // namespace rivulet
