#include "algorithms/count_min.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

using rivulet::CountMin;

namespace {

using Truth = std::map<std::string, std::uint64_t>;

std::vector<std::string> Zipf(std::size_t count, int keys, unsigned seed) {
  std::vector<double> weights;
  for (int i = 1; i <= keys; ++i) weights.push_back(1.0 / i);
  std::discrete_distribution<int> draw(weights.begin(), weights.end());
  std::mt19937 random(seed);
  std::vector<std::string> stream;
  for (std::size_t i = 0; i < count; ++i) stream.push_back("k" + std::to_string(draw(random)));
  return stream;
}

void Fill(CountMin* sketch, const std::vector<std::string>& stream, Truth* truth = nullptr) {
  for (const auto& key : stream) {
    sketch->Update(key);
    if (truth != nullptr) ++(*truth)[key];
  }
}

// Never below; at most e N above but for a part of d. (Three times that part: d is an expectation.)
void CheckBounds(const CountMin& sketch, const Truth& truth) {
  std::size_t above = 0;
  for (const auto& [key, count] : truth) {
    const std::uint64_t estimate = sketch.Estimate(key);
    CHECK(estimate >= count);
    if (static_cast<double>(estimate - count) > sketch.error_bound()) ++above;
  }
  CHECK(static_cast<double>(above) <=
        3 * sketch.error_probability() * static_cast<double>(truth.size()));
}

}  // namespace

TEST_CASE("count_min: an empty one knows nothing of anything") {
  const CountMin sketch(100, 3);
  CHECK(sketch.Estimate("a") == 0);
  CHECK(sketch.total() == 0);
}

TEST_CASE("count_min: a few elements in a wide table are exact, weights add") {
  CountMin sketch(10'000, 4);
  sketch.Update("a", 5);
  sketch.Update("");
  sketch.Update("a");
  sketch.Update("b", 0);
  CHECK(sketch.Estimate("a") == 6);
  CHECK(sketch.Estimate("") == 1);
  CHECK(sketch.Estimate("b") == 0);
  CHECK(sketch.total() == 7);
}

// The paper's theorem 1: ceil(exp(1)/e) by ceil(ln(1/d)).
TEST_CASE("count_min: the shape follows from the error and its probability") {
  const auto sketch = CountMin::ForError(0.001, 0.01);
  CHECK(sketch.width() == 2719);
  CHECK(sketch.depth() == 5);
  CHECK(CountMin::ForError(0.5, 1e-300).depth() == CountMin::kMaxDepth);
}

TEST_CASE("count_min: the paper's bounds hold, plain and conservative") {
  for (const bool conservative : {false, true}) {
    for (const std::size_t width : {10, 300}) {
      for (const std::size_t depth : {1, 4}) {
        CAPTURE(width);
        CAPTURE(depth);
        Truth truth;
        CountMin sketch(width, depth, conservative);
        Fill(&sketch, Zipf(5'000, 1'000, 1), &truth);
        CheckBounds(sketch, truth);
      }
    }
  }
}

TEST_CASE("count_min: conservative estimates are never farther off, and mostly nearer") {
  const auto stream = Zipf(5'000, 1'000, 2);
  Truth truth;
  CountMin plain(200, 4);
  CountMin conservative(200, 4, true);
  Fill(&plain, stream, &truth);
  Fill(&conservative, stream);
  std::uint64_t saved = 0;
  for (const auto& [key, count] : truth) {
    CHECK(conservative.Estimate(key) <= plain.Estimate(key));
    saved += plain.Estimate(key) - conservative.Estimate(key);
  }
  CHECK(saved > 0);
}

TEST_CASE("count_min: merged parts are exactly the whole, in any order") {
  const auto a = Zipf(2000, 500, 3);
  const auto b = Zipf(2000, 500, 4);
  CountMin whole(64, 3);
  Fill(&whole, a);
  Fill(&whole, b);
  CountMin left(64, 3);
  CountMin right(64, 3);
  Fill(&left, a);
  Fill(&right, b);
  CountMin other_way = right;
  CHECK(other_way.Merge(left));
  CHECK(left.Merge(right));
  CHECK(left.Merge(CountMin(64, 3)));
  CHECK(left.Save() == whole.Save());
  CHECK(other_way.Save() == whole.Save());
  CHECK(left.Merge(left));
  CHECK(left.total() == 8000);
}

TEST_CASE("count_min: merged conservative parts keep the bounds") {
  Truth truth;
  CountMin merged(100, 4, true);
  for (unsigned part = 0; part < 4; ++part) {
    CountMin each(100, 4, true);
    Fill(&each, Zipf(1500, 500, 10 + part), &truth);
    CHECK(merged.Merge(each));
  }
  CheckBounds(merged, truth);
  Fill(&merged, Zipf(1500, 500, 20), &truth);
  CheckBounds(merged, truth);
}

TEST_CASE("count_min: another shape is not merged") {
  CountMin sketch(10, 2);
  CHECK_FALSE(sketch.Merge(CountMin(11, 2)));
  CHECK_FALSE(sketch.Merge(CountMin(10, 3)));
  CHECK_FALSE(sketch.Merge(CountMin(10, 2, true)));
}

TEST_CASE("count_min: as JSON") {
  CountMin sketch(1, 1);  // so that the bound is exp(1) and the probability exp(-1)
  sketch.Update("a");
  CHECK(sketch.Json() == R"({"total":1,"error_bound":2.718281828459045,)"
                         R"("error_probability":0.36787944117144233,"width":1,"depth":1,)"
                         R"("conservative":false})");
}

TEST_CASE("count_min: a loaded one goes on exactly as the saved one") {
  for (const bool conservative : {false, true}) {
    CountMin saved(50, 3, conservative);
    Fill(&saved, Zipf(1000, 300, 5));
    auto loaded = CountMin::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    Fill(&saved, Zipf(1000, 300, 6));
    Fill(&*loaded, Zipf(1000, 300, 6));
    CHECK(loaded->Save() == saved.Save());
  }
}

TEST_CASE("count_min: bytes that are cut, longer or changed are not loaded") {
  const std::string bytes = CountMin(7, 2).Save();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(CountMin::Load(bytes.substr(0, size)).has_value());
  }
  CHECK_FALSE(CountMin::Load(bytes + "x").has_value());
  for (const std::size_t at : {7, 8, 15, 16, 24}) {  // version, width, width, depth, conservative
    std::string other = bytes;
    other[at] = '\x7f';
    CHECK_FALSE(CountMin::Load(other).has_value());
  }
}
