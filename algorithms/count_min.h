// How often each element of a stream came, for any element that is asked for, in memory that does
// not grow with their number. (Those that came most often are top_k.h's.)
//
// Source: G. Cormode, S. Muthukrishnan, "An improved data stream summary: the count-min sketch and
// its applications", J. Algorithms 55 (2005). Conservative: C. Estan, G. Varghese, "New directions
// in traffic measurement and accounting", SIGCOMM 2002.
//
// Bound, for a stream of total weight N, an error of e and a probability of d: an estimate is never
// below the truth, and above it by at most e N with a probability of 1 - d. Width ceil(exp(1)/e),
// depth ceil(ln(1/d)). Counters end at 2^64 - 1. Memory: 8 bytes x width x depth: 109 KB for e =
// 0.001 and d = 0.01. Update and Estimate: O(element + depth), some ns a row and a cache miss each
// where the table is large. Merge: O(width x depth). Units: those of the weights.
//
//   CountMin clicks = CountMin::ForError(0.001, 0.01);
//   clicks.Update("example.org");
//   clicks.Merge(clicks_of_another_reader);
//   Print(clicks.Estimate("example.org"), clicks.error_bound());
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/hash.h"
#include "algorithms/json_view.h"
#include "algorithms/saturated.h"

namespace rivulet {

class CountMin {
 public:
  static constexpr std::size_t kMaxWidth = std::size_t{1} << 20;
  static constexpr std::size_t kMaxDepth = 16;

  /// Width: 1 to kMaxWidth, depth: 1 to kMaxDepth; others are made the nearest of these.
  /// Conservative: an update raises no counter beyond what it must. Estimates are the same or
  /// nearer, but depend on the order; merged ones keep the bound, no more.
  CountMin(std::size_t width, std::size_t depth, bool conservative = false)
      : width_(std::clamp<std::size_t>(width, 1, kMaxWidth)),
        depth_(std::clamp<std::size_t>(depth, 1, kMaxDepth)),
        conservative_(conservative),
        counts_(width_ * depth_) {}
  /// Requires 0 < error < 1 and 0 < probability < 1, and what then is within kMaxWidth and
  /// kMaxDepth.
  static CountMin ForError(double error, double probability, bool conservative = false) {
    const auto ceiling = [](double value, std::size_t most) {
      return value < static_cast<double>(most) ? static_cast<std::size_t>(std::ceil(value)) : most;
    };
    return {ceiling(kE / error, kMaxWidth), ceiling(-std::log(probability), kMaxDepth),
            conservative};
  }

  void Update(std::string_view element, std::uint64_t weight = 1) {
    total_ = SaturatedSum(total_, weight);
    const std::uint64_t hash = HashBytes(element);
    if (!conservative_) {
      for (std::size_t row = 0; row < depth_; ++row) {
        std::uint64_t& count = counts_[Place(hash, row)];
        count = SaturatedSum(count, weight);
      }
      return;
    }
    std::array<std::size_t, kMaxDepth> places;
    std::uint64_t least = ~std::uint64_t{0};
    for (std::size_t row = 0; row < depth_; ++row) {
      places[row] = Place(hash, row);
      least = std::min(least, counts_[places[row]]);
    }
    for (std::size_t row = 0; row < depth_; ++row) {
      std::uint64_t& count = counts_[places[row]];
      count = std::max(count, SaturatedSum(least, weight));
    }
  }

  /// As if the other's stream had come here (conservative: within the bound). False, and nothing is
  /// done, where width, depth or conservative are not the same. May be given itself.
  bool Merge(const CountMin& other) {
    if (width_ != other.width_ || depth_ != other.depth_ || conservative_ != other.conservative_) {
      return false;
    }
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      counts_[i] = SaturatedSum(counts_[i], other.counts_[i]);
    }
    total_ = SaturatedSum(total_, other.total_);
    return true;
  }

  std::uint64_t Estimate(std::string_view element) const {
    const std::uint64_t hash = HashBytes(element);
    std::uint64_t least = ~std::uint64_t{0};
    for (std::size_t row = 0; row < depth_; ++row) {
      least = std::min(least, counts_[Place(hash, row)]);
    }
    return least;
  }
  /// e N: an estimate is at most so much too high, with error_probability() of more.
  double error_bound() const {
    return kE / static_cast<double>(width_) * static_cast<double>(total_);
  }
  double error_probability() const { return std::exp(-static_cast<double>(depth_)); }
  /// The weight of all updates.
  std::uint64_t total() const { return total_; }
  std::size_t width() const { return width_; }
  std::size_t depth() const { return depth_; }
  bool conservative() const { return conservative_; }

  std::string Json() const {
    JsonView view;
    view.BeginObject().Field("total", total_).Field("error_bound", error_bound());
    view.Field("error_probability", error_probability()).Field("width", width_);
    view.Field("depth", depth_).Field("conservative", conservative_);
    return view.EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    bytes.reserve(8 * (5 + counts_.size()));
    for (const std::uint64_t number : {kFormat, std::uint64_t{width_}, std::uint64_t{depth_},
                                       std::uint64_t{conservative_ ? 1U : 0U}, total_}) {
      PutUint64(&bytes, number);
    }
    for (const std::uint64_t count : counts_) PutUint64(&bytes, count);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<CountMin> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const std::uint64_t width = reader.Uint64();
    const std::uint64_t depth = reader.Uint64();
    const std::uint64_t conservative = reader.Uint64();
    const std::uint64_t total = reader.Uint64();
    if (!reader.ok() || width < 1 || width > kMaxWidth || depth < 1 || depth > kMaxDepth) {
      return std::nullopt;
    }
    if (conservative > 1 || bytes.size() != 8 * (5 + width * depth)) return std::nullopt;
    CountMin sketch(width, depth, conservative == 1);
    sketch.total_ = total;
    for (std::uint64_t& count : sketch.counts_) count = reader.Uint64();
    return sketch;
  }

 private:
  static constexpr double kE = 2.718281828459045;
  static constexpr std::uint64_t kFormat = 0x31'6e'69'6d'74'6e'63'20ULL;  // " cntmin1"

  // Where the element counts in that row: a hash of the hash for each row, brought to the width by
  // the upper half of a product.
  std::size_t Place(std::uint64_t hash, std::size_t row) const {
    const std::uint64_t of_row = HashMix(hash + row * 0x9e3779b97f4a7c15ULL, 0xbb67ae8584caa73bULL);
    return row * width_ + static_cast<std::size_t>(((of_row >> 32) * width_) >> 32);
  }

  std::size_t width_;
  std::size_t depth_;
  bool conservative_;
  std::uint64_t total_ = 0;
  std::vector<std::uint64_t> counts_;  // row by row
};

}  // namespace rivulet
