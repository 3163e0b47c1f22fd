// How many a second now: the weight of what came in a window that slides with time.
//
// Source: M. Datar, A. Gionis, P. Indyk, R. Motwani, "Maintaining Stream Statistics over Sliding
// Windows", SIAM J. Computing 31 (2002), for the problem; the simplest answer to it here, a ring of
// counters of equal spans ("buckets" of a fixed size), since rates want one window and few slots.
//
// Error: what is whole within the window is exact; the oldest slot lies in it partly and counts by
// that part. So an answer is off by less than the weight of that one slot, a 1/slots of the window
// for a steady stream, either direction. Memory: 8 bytes a slot. Update: O(1), some nanoseconds.
// PerSecond and Merge: O(slots). Units: times in seconds since any moment, the same for all that
// are merged; weights their own.
//
//   Rate clicks(60, 60);                  // the last minute, by the second
//   clicks.Update(now);
//   clicks.Merge(clicks_of_another_reader);
//   Print(clicks.PerSecond(now));
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/json_view.h"

namespace rivulet {

class Rate {
 public:
  static constexpr std::size_t kMaxSlots = 100'000;

  /// Requires a finite `window` above zero, in seconds. Slots: 1 to kMaxSlots; others are made the
  /// nearest of these.
  explicit Rate(double window, std::size_t slots = 60)
      : window_(window),
        width_(window / static_cast<double>(std::clamp<std::size_t>(slots, 1, kMaxSlots))),
        weights_(std::clamp<std::size_t>(slots, 1, kMaxSlots) + 1) {}

  /// Times may come in any order: what is older than the window that ends with the newest counts as
  /// late, and nowhere else. (So a time far in the future ends the window for all others: who does
  /// not trust its times gives the time of arrival.) Requires a finite `at` and a finite weight,
  /// zero or more.
  void Update(double at, double weight = 1) {
    const std::int64_t slot = SlotAt(at);
    total_ += weight;
    if (slot > newest_) [[unlikely]] {
      Advance(slot);
    } else if (slot <= newest_ - Size()) [[unlikely]] {
      late_ += weight;
      return;
    }
    weights_[Place(slot)] += weight;
  }

  /// As if the other's updates had come here, but that what was late is told by each for itself.
  /// False, and nothing is done, where the window or the slots are not the same.
  bool Merge(const Rate& other) {
    if (window_ != other.window_ || weights_.size() != other.weights_.size()) return false;
    const Rate b = other;
    total_ += b.total_;
    late_ += b.late_;
    if (b.newest_ == kNever) return true;
    if (b.newest_ > newest_) Advance(b.newest_);
    for (std::int64_t slot = b.newest_; slot > b.newest_ - Size(); --slot) {
      if (slot > newest_ - Size()) weights_[Place(slot)] += b.weights_[Place(slot)];
    }
    return true;
  }

  /// Of the window that ends at `at`, which is the newest update's time or later. Earlier, only
  /// what is held still counts.
  double Weight(double at) const {
    if (newest_ == kNever) return 0;
    const std::int64_t last = SlotAt(at);
    const std::int64_t oldest = last - Size() + 1;
    double sum = 0;
    for (std::int64_t slot = std::min(last, newest_); slot > newest_ - Size() && slot > oldest;
         --slot) {
      sum += weights_[Place(slot)];
    }
    if (oldest <= newest_ && oldest > newest_ - Size()) {
      const double gone = std::clamp(at / width_ - static_cast<double>(last), 0.0, 1.0);
      sum += (1 - gone) * weights_[Place(oldest)];
    }
    return sum;
  }
  /// The same, a second.
  double PerSecond(double at) const { return Weight(at) / window_; }

  double window() const { return window_; }
  std::size_t slots() const { return weights_.size() - 1; }
  /// Of all updates ever.
  double total() const { return total_; }
  /// Of those that came too late to count.
  double late() const { return late_; }

  std::string Json(double at) const {
    JsonView view;
    view.BeginObject().Field("per_second", PerSecond(at)).Field("window", window_);
    return view.Field("total", total_).Field("late", late_).EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    for (const double value : {window_, width_, total_, late_}) PutDouble(&bytes, value);
    PutUint64(&bytes, static_cast<std::uint64_t>(newest_));
    for (const double weight : weights_) PutDouble(&bytes, weight);
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote.
  static std::optional<Rate> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const double window = reader.Double();
    const double width = reader.Double();
    const double total = reader.Double();
    const double late = reader.Double();
    const auto newest = static_cast<std::int64_t>(reader.Uint64());
    if (!reader.ok() || bytes.size() % 8 != 0) return std::nullopt;
    const std::size_t size = bytes.size() / 8 - 6;
    if (size < 2 || size > kMaxSlots + 1) return std::nullopt;
    Rate rate(window, size - 1);
    if (!(window > 0) || !std::isfinite(window) || rate.width_ != width) return std::nullopt;
    if (newest != kNever && (newest > kFurthest || newest < -kFurthest)) return std::nullopt;
    for (double& weight : rate.weights_) {
      weight = reader.Double();
      if (!(weight >= 0)) return std::nullopt;
    }
    if (!(total >= 0) || !(late >= 0)) return std::nullopt;
    rate.total_ = total;
    rate.late_ = late;
    rate.newest_ = newest;
    return rate;
  }

 private:
  static constexpr std::uint64_t kFormat = 0x31'65'74'61'72'20'20'20ULL;  // "   rate1"
  static constexpr std::int64_t kFurthest = std::int64_t{1} << 53;
  static constexpr std::int64_t kNever = -2 * kFurthest;

  std::int64_t Size() const { return static_cast<std::int64_t>(weights_.size()); }
  std::int64_t SlotAt(double at) const {
    constexpr auto kMost = static_cast<double>(kFurthest);
    return static_cast<std::int64_t>(std::clamp(std::floor(at / width_), -kMost, kMost));
  }
  std::size_t Place(std::int64_t slot) const {
    const std::int64_t rest = slot % Size();
    return static_cast<std::size_t>(rest < 0 ? rest + Size() : rest);
  }
  void Advance(std::int64_t slot) {
    const std::int64_t first = std::max(newest_ + 1, slot - Size() + 1);
    for (std::int64_t each = first; each <= slot; ++each) weights_[Place(each)] = 0;
    newest_ = slot;
  }

  double window_;
  double width_;  // of a slot
  double total_ = 0;
  double late_ = 0;
  std::int64_t newest_ = kNever;  // slot, counted from time 0
  std::vector<double> weights_;   // slot s at s modulo the size; one more than the window has
};

}  // namespace rivulet
