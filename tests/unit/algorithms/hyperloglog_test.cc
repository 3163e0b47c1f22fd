#include "algorithms/hyperloglog.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "algorithms/hash.h"

using rivulet::HashBytes;
using rivulet::HyperLogLog;

namespace {

// Hashes as even and independent as HyperLogLog supposes.
HyperLogLog OfHashes(int precision, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  HyperLogLog distinct(precision);
  for (std::size_t i = 0; i < count; ++i) distinct.UpdateHash(random());
  return distinct;
}

HyperLogLog OfNumbers(int precision, int from, int to) {
  HyperLogLog distinct(precision);
  for (int i = from; i < to; ++i) distinct.Update("user" + std::to_string(i));
  return distinct;
}

}  // namespace

// Computed by hash.h's description with whole numbers of any size, in another language.
TEST_CASE("hash: bytes have the hash that the description gives") {
  CHECK(HashBytes("") == 0x65712568387bda11ULL);
  CHECK(HashBytes("a") == 0xc2ee71074a97eaa2ULL);
  CHECK(HashBytes("abc") == 0x656fd0122f249cedULL);
  CHECK(HashBytes("abcd") == 0x6c99603d0ba82b3fULL);
  CHECK(HashBytes("abcdefg") == 0xd1a66803f0ed341dULL);
  CHECK(HashBytes("abcdefgh") == 0x464567b185363d6aULL);
  CHECK(HashBytes("abcdefghi") == 0xc072454ca946fbfdULL);
  CHECK(HashBytes("0123456789abcdef0123\xff") == 0x72721dc36065779dULL);
  CHECK(HashBytes("abc", 42) == 0x76ee0bd84569641aULL);
}

TEST_CASE("hyperloglog: an update tells whether anything changed") {
  HyperLogLog distinct(10);  // exact up to 64
  for (int i = 0; i < 64; ++i) CHECK(distinct.Update("user" + std::to_string(i)));
  CHECK(distinct.exact());
  CHECK_FALSE(distinct.Update("user7"));
  CHECK(distinct.Update("user64"));  // registers from now on
  REQUIRE_FALSE(distinct.exact());
  int wrong = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string before = distinct.Save();
    const bool changed = distinct.Update("user" + std::to_string(i));
    if (changed != (distinct.Save() != before)) ++wrong;
  }
  CHECK(wrong == 0);
  for (int i = 0; i < 3000; ++i) {
    if (distinct.Update("user" + std::to_string(i))) ++wrong;
  }
  CHECK(wrong == 0);
}

// A bit of the element changes each bit of the hash in half of all cases: 5 sigma of 2,000.
TEST_CASE("hash: every bit of an element changes every bit of its hash evenly") {
  for (const std::size_t size : {2, 3, 4, 8, 9, 17}) {
    std::mt19937_64 random(size);
    std::vector<int> changed(64);
    constexpr int kTrials = 2000;
    for (int trial = 0; trial < kTrials; ++trial) {
      std::string element(size, 0);
      for (char& c : element) c = static_cast<char>(random());
      const std::uint64_t before = HashBytes(element);
      const std::size_t bit = random() % (8 * size);
      element[bit / 8] = static_cast<char>(element[bit / 8] ^ (1 << (bit % 8)));
      const std::uint64_t flips = before ^ HashBytes(element);
      for (std::size_t i = 0; i < 64; ++i) changed[i] += static_cast<int>(flips >> i & 1);
    }
    for (const int count : changed)
      CHECK(std::abs(count - kTrials / 2) < 5 * std::sqrt(kTrials) / 2);
  }
}

TEST_CASE("hyperloglog: nothing seen is nothing, an element is one however often it comes") {
  HyperLogLog distinct;
  CHECK(distinct.Estimate() == 0);
  for (int i = 0; i < 1000; ++i) distinct.Update("the same");
  CHECK(distinct.Estimate() == 1);
  distinct.Update("");
  CHECK(distinct.Estimate() == 2);
}

TEST_CASE("hyperloglog: small counts are exact") {
  for (const int precision : {4, 10, 14, 18}) {
    HyperLogLog distinct(precision);
    const int most = std::max(16, (1 << precision) / 16);
    for (int i = 0; i < most; ++i) {
      distinct.Update(std::to_string(i));
      distinct.Update(std::to_string(i / 2));
    }
    CHECK(distinct.exact());
    CHECK(distinct.Estimate() == most);
    distinct.Update("one more");
    CHECK_FALSE(distinct.exact());
    CHECK(distinct.Estimate() == doctest::Approx(most + 1).epsilon(precision < 10 ? 0.6 : 0.1));
  }
}

// The papers' 1.04/sqrt(m), over 200 streams, at each of several counts.
TEST_CASE("hyperloglog: the error over many streams is the one that is promised") {
  constexpr int kStreams = 200;
  for (const int precision : {7}) {
    for (const std::size_t count : {60, 200, 600, 3000}) {
      double squares = 0;
      double sum = 0;
      for (std::uint64_t seed = 0; seed < kStreams; ++seed) {
        const double estimate = OfHashes(precision, count, seed * 7919 + count).Estimate();
        const double error = estimate / static_cast<double>(count) - 1;
        squares += error * error;
        sum += error;
      }
      const double promised = HyperLogLog(precision).relative_standard_error();
      CAPTURE(precision);
      CAPTURE(count);
      CHECK(std::sqrt(squares / kStreams) < promised * 1.15);
      // No bias beyond what 200 streams leave: 4 sigma of the mean.
      CHECK(std::abs(sum / kStreams) < 4 * promised / std::sqrt(kStreams));
    }
  }
  CHECK(HyperLogLog(12).relative_standard_error() == doctest::Approx(0.01625));
}

TEST_CASE("hyperloglog: elements that look alike are told apart as well") {
  for (const int count : {3'000, 30'000}) {
    const auto distinct = OfNumbers(12, 0, count);
    CHECK(distinct.Estimate() == doctest::Approx(count).epsilon(4 * 0.01625));
  }
}

TEST_CASE("hyperloglog: merged parts are exactly the whole, in any order") {
  for (const int precision : {4, 8, 12}) {
    for (const int size : {0, 5, 100, 3000}) {
      const auto whole = OfNumbers(precision, 0, size + 120);
      auto left = OfNumbers(precision, 0, size + 20);
      left.Merge(OfNumbers(precision, size, size + 70));
      left.Merge(OfNumbers(precision, size + 60, size + 120));
      CHECK(left.Save() == whole.Save());
      auto right = OfNumbers(precision, size + 60, size + 120);
      right.Merge(OfNumbers(precision, size, size + 70));
      right.Merge(OfNumbers(precision, 0, size + 20));
      CHECK(right.Save() == whole.Save());
      right.Merge(right);
      right.Merge(HyperLogLog(precision));
      CHECK(right.Save() == whole.Save());
    }
  }
}

TEST_CASE("hyperloglog: of two precisions the merged one has exactly the smaller") {
  for (const int size : {10, 40, 300, 2500}) {
    for (const int precision : {4, 9, 13}) {
      const auto whole = OfNumbers(precision, 0, 2 * size);
      auto fine = OfNumbers(14, 0, size);
      fine.Merge(OfNumbers(precision, size, 2 * size));
      CHECK(fine.precision() == precision);
      CHECK(fine.Save() == whole.Save());
      auto coarse = OfNumbers(precision, size, 2 * size);
      coarse.Merge(OfNumbers(14, 0, size));
      CHECK(coarse.Save() == whole.Save());
    }
  }
}

TEST_CASE("hyperloglog: as JSON") {
  CHECK(OfNumbers(14, 0, 3).Json() ==
        R"({"distinct":3,"relative_standard_error":0,"precision":14})");
  CHECK(OfNumbers(4, 0, 40).Json().find(R"("relative_standard_error":0.26,)") != std::string::npos);
}

TEST_CASE("hyperloglog: a loaded one goes on exactly as the saved one") {
  for (const int size : {0, 10, 5000}) {
    auto saved = OfNumbers(10, 0, size);
    auto loaded = HyperLogLog::Load(saved.Save());
    REQUIRE(loaded.has_value());
    CHECK(loaded->Save() == saved.Save());
    CHECK(loaded->Estimate() == saved.Estimate());
    for (int i = size; i < size + 500; ++i) {
      saved.Update(std::to_string(i));
      loaded->Update(std::to_string(i));
    }
    CHECK(loaded->Save() == saved.Save());
  }
}

TEST_CASE("hyperloglog: bytes that are cut, longer or changed are not loaded") {
  for (const int size : {5, 500}) {
    const std::string bytes = OfNumbers(6, 0, size).Save();
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      CHECK_FALSE(HyperLogLog::Load(bytes.substr(0, cut)).has_value());
    }
    CHECK_FALSE(HyperLogLog::Load(bytes + "x").has_value());
    for (const std::size_t at : {7, 8, 16}) {  // version, precision, form
      std::string other = bytes;
      other[at] = '\x7f';
      CHECK_FALSE(HyperLogLog::Load(other).has_value());
    }
  }
  std::string beyond = OfNumbers(6, 0, 500).Save();
  beyond.back() = 60;  // 64 - 6 + 1 is the most
  CHECK_FALSE(HyperLogLog::Load(beyond).has_value());
}
