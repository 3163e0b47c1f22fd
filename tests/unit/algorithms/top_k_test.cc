#include "algorithms/top_k.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "algorithms/siphash.h"

using rivulet::TopK;

namespace {

using Truth = std::map<std::string, std::uint64_t>;

// Keys k0, k1, ... whose frequencies fall as 1/rank.
std::vector<std::string> Zipf(std::size_t count, int keys, unsigned seed) {
  std::vector<double> weights;
  for (int i = 1; i <= keys; ++i) weights.push_back(1.0 / i);
  std::discrete_distribution<int> draw(weights.begin(), weights.end());
  std::mt19937 random(seed);
  std::vector<std::string> stream;
  for (std::size_t i = 0; i < count; ++i) stream.push_back("k" + std::to_string(draw(random)));
  return stream;
}

TopK Of(const std::vector<std::string>& stream, std::size_t capacity, Truth* truth = nullptr) {
  TopK top(capacity);
  for (const auto& key : stream) {
    top.Update(key);
    if (truth != nullptr) ++(*truth)[key];
  }
  return top;
}

// The paper's promises, against exact counts.
void CheckBounds(const TopK& top, const Truth& truth) {
  std::uint64_t total = 0;
  for (const auto& [key, weight] : truth) total += weight;
  CHECK(top.total() == total);
  const double bound = static_cast<double>(total) / static_cast<double>(top.capacity());
  CHECK(static_cast<double>(top.absent_bound()) <= bound);
  for (const auto& item : top.Top(top.size())) {
    const auto found = truth.find(item.value);
    REQUIRE(found != truth.end());
    CHECK(item.count >= found->second);
    CHECK(item.count - item.error <= found->second);
    CHECK(static_cast<double>(item.error) <= bound);
  }
  for (const auto& [key, weight] : truth) {
    if (top.Find(key) != nullptr) continue;
    CHECK(weight <= top.absent_bound());
    CHECK(static_cast<double>(weight) <= bound);
  }
}

}  // namespace

// The vector of the paper's appendix A: key 00..0f, input 00..0e.
TEST_CASE("siphash: 2-4 gives the paper's own example") {
  std::string input;
  for (char c = 0; c < 15; ++c) input.push_back(c);
  CHECK(rivulet::SipHash<2, 4>(input, 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL) ==
        0xa129ca6149be45e5ULL);
}

TEST_CASE("top_k: nothing seen, nothing on top") {
  const TopK top(10);
  CHECK(top.Top(5).empty());
  CHECK(top.total() == 0);
  CHECK(top.Find("a") == nullptr);
}

TEST_CASE("top_k: counts are exact while the keys fit") {
  TopK top(3);
  for (const char* key : {"a", "b", "a", "c", "a", "b"}) top.Update(key);
  const auto items = top.Top(10);
  REQUIRE(items.size() == 3);
  CHECK(items[0].value == "a");
  CHECK(items[0].count == 3);
  CHECK(items[1].value == "b");
  CHECK(items[1].count == 2);
  CHECK(items[2].value == "c");
  for (const auto& item : items) CHECK(item.error == 0);
}

// By hand: a a b, then c takes b's place with b's count as its error.
TEST_CASE("top_k: a new key takes the place and the count of the least one") {
  TopK top(2);
  for (const char* key : {"a", "a", "b", "c"}) top.Update(key);
  CHECK(top.Find("b") == nullptr);
  REQUIRE(top.Find("c") != nullptr);
  CHECK(top.Find("c")->count == 2);
  CHECK(top.Find("c")->error == 1);
  CHECK(top.Find("a")->count == 2);
  CHECK(top.Find("a")->error == 0);
  // Of equal counts the one with the smaller error comes first.
  CHECK(top.Top(2)[0].value == "a");
}

TEST_CASE("top_k: weights count as that many updates, a weight of zero as none") {
  TopK top(2);
  top.Update("a", 10);
  top.Update("b", 3);
  top.Update("nothing", 0);
  top.Update("c", 4);
  CHECK(top.total() == 17);
  CHECK(top.Find("c")->count == 7);
  CHECK(top.Find("c")->error == 3);
}

TEST_CASE("top_k: keys are any bytes, empty and long ones too") {
  TopK top(8);
  const std::string nul("a\0b", 3);
  top.Update(nul);
  top.Update("a");
  top.Update("");
  top.Update(std::string(5000, 'x'));
  CHECK(top.size() == 4);
  CHECK(top.Find(nul)->count == 1);
  CHECK(top.Find("")->count == 1);
}

TEST_CASE("top_k: the paper's bounds hold for a Zipf stream at any capacity") {
  const auto stream = Zipf(20000, 2000, 1);
  for (const std::size_t capacity : {1, 2, 10, 100, 1000, 10000}) {
    CAPTURE(capacity);
    Truth truth;
    const TopK top = Of(stream, capacity, &truth);
    CheckBounds(top, truth);
  }
}

TEST_CASE("top_k: the bounds hold for a stream whose keys never repeat") {
  TopK top(100);
  Truth truth;
  for (int i = 0; i < 20000; ++i) {
    const std::string key = std::to_string(i);
    top.Update(key);
    ++truth[key];
  }
  CheckBounds(top, truth);
  CHECK(top.absent_bound() == 199);  // 20000 updates over 100 counters, all equal in the end
}

TEST_CASE("top_k: the ten heaviest of a Zipf stream come in order with a hundred times the keys") {
  Truth truth;
  const auto stream = Zipf(60000, 20000, 2);
  const auto items = Of(stream, 1000, &truth).Top(10);
  REQUIRE(items.size() == 10);
  for (std::size_t i = 0; i < items.size(); ++i) CHECK(truth[items[i].value] <= items[i].count);
  CHECK(items[0].value == "k0");
  CHECK(items[1].value == "k1");
  CHECK(items[2].value == "k2");
}

TEST_CASE("top_k: merged parts keep the bounds of the whole stream") {
  Truth truth;
  TopK merged(200);
  for (unsigned part = 0; part < 5; ++part) {
    merged.Merge(Of(Zipf(20000, 3000, 10 + part), 200, &truth));
  }
  CheckBounds(merged, truth);
}

TEST_CASE("top_k: merged parts are exact while the keys fit") {
  TopK a(10);
  TopK b(10);
  a.Update("x", 3);
  a.Update("y", 1);
  b.Update("y", 5);
  b.Update("z", 2);
  a.Merge(b);
  const auto items = a.Top(3);
  REQUIRE(items.size() == 3);
  CHECK(items[0].value == "y");
  CHECK(items[0].count == 6);
  CHECK(items[1].value == "x");
  CHECK(items[2].value == "z");
  for (const auto& item : items) CHECK(item.error == 0);
}

TEST_CASE("top_k: after a merge it goes on within its own errors") {
  Truth truth;
  TopK merged = Of(Zipf(5000, 1000, 3), 50, &truth);
  merged.Merge(Of(Zipf(5000, 1000, 4), 50, &truth));
  for (const auto& key : Zipf(5000, 1000, 5)) {
    merged.Update(key);
    ++truth[key];
  }
  for (const auto& item : merged.Top(50)) {
    CHECK(item.count >= truth[item.value]);
    CHECK(item.count - item.error <= truth[item.value]);
  }
}

TEST_CASE("top_k: the seed changes no result") {
  TopK a(20, 1);
  TopK b(20, 0xfeedULL);
  for (const auto& key : Zipf(3000, 300, 6)) {
    a.Update(key);
    b.Update(key);
  }
  CHECK(a.Save() == b.Save());
}

TEST_CASE("top_k: a loaded one goes on exactly as the saved one") {
  TopK saved = Of(Zipf(3000, 300, 7), 20);
  auto loaded = TopK::Load(saved.Save(), 99);
  REQUIRE(loaded.has_value());
  CHECK(loaded->Save() == saved.Save());
  for (const auto& key : Zipf(3000, 300, 8)) {
    saved.Update(key);
    loaded->Update(key);
  }
  CHECK(loaded->Save() == saved.Save());
}

TEST_CASE("top_k: bytes that are cut, longer or of another version are not loaded") {
  const std::string bytes = Of({"a", "b", "a"}, 5).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(TopK::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(TopK::Load(bytes + "x").has_value());
  std::string other = bytes;
  other[7] = '2';
  CHECK_FALSE(TopK::Load(other).has_value());
}
