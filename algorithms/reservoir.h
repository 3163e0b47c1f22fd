// A sample of a stream: k of its elements, each set of k as likely as any other.
//
// Source: K.-H. Li, "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))", ACM
// TOMS 20 (1994), algorithm L: each element has a random key, and the k smallest keys stay; how
// many elements to skip until the next that stays is drawn at once. The keys are kept here, so that
// the sample of merged streams is the k smallest keys of both. Random numbers: SplitMix64 (G. L.
// Steele, D. Lea, C. H. Flood, OOPSLA 2014), all of whose state is saved.
//
// Error: none; it is a uniform sample without replacement. Memory: 50 bytes an element and what
// elements longer than 15 bytes take. Update: O(1), a nanosecond for one that is skipped, O(log k)
// for one that stays, of which there are about k (1 + ln(n/k)). Merge: O(k log k).
//
//   Reservoir sample(1000, seed);                       // a seed of its own for each reader
//   for (const auto& message : stream) sample.Update(message);
//   sample.Merge(sample_of_another_reader);
//   for (const std::string& element : sample.Elements()) Print(element);
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/json_view.h"

namespace rivulet {

class Reservoir {
 public:
  static constexpr std::size_t kMaxCapacity = std::size_t{1} << 24;

  /// Holds `capacity` elements, 1 to kMaxCapacity; others are made the nearer of these. Streams
  /// that are merged need different seeds, else their keys are the same and the sample is not
  /// uniform.
  Reservoir(std::size_t capacity, std::uint64_t seed)
      : capacity_(std::clamp<std::size_t>(capacity, 1, kMaxCapacity)), random_(seed) {}

  void Update(std::string_view element) {
    ++count_;
    if (skip_ > 0) [[likely]] {
      --skip_;
      return;
    }
    if (elements_.size() < capacity_) {
      elements_.push_back({Uniform(), std::string(element)});
      std::push_heap(elements_.begin(), elements_.end(), Below);
    } else {
      // One that stays has a key below the largest, evenly.
      const double key = elements_.front().key * Uniform();
      std::pop_heap(elements_.begin(), elements_.end(), Below);
      elements_.back().key = key;
      elements_.back().element = element;
      std::push_heap(elements_.begin(), elements_.end(), Below);
    }
    if (elements_.size() == capacity_) DrawSkip();
  }

  /// As a sample of both streams, of the smaller capacity. In whatever order parts are merged, the
  /// sample is the same; what is drawn from then on comes from this one's random numbers.
  void Merge(const Reservoir& other) {
    if (other.count_ == 0 && other.capacity_ >= capacity_) return;
    std::vector<Keyed> all = elements_;
    all.insert(all.end(), other.elements_.begin(), other.elements_.end());
    std::sort(all.begin(), all.end(), Below);
    capacity_ = std::min(capacity_, other.capacity_);
    if (all.size() > capacity_) all.resize(capacity_);
    elements_ = std::move(all);
    std::make_heap(elements_.begin(), elements_.end(), Below);
    count_ += other.count_;
    skip_ = 0;
    if (elements_.size() == capacity_) DrawSkip();
  }

  /// In a random order, which says nothing of when they came.
  std::vector<std::string> Elements() const {
    std::vector<std::string> elements;
    elements.reserve(elements_.size());
    for (const Keyed& each : Sorted()) elements.push_back(each.element);
    return elements;
  }
  /// All that ever came.
  std::uint64_t count() const { return count_; }
  /// Of the sample: the smaller of count and capacity.
  std::size_t size() const { return elements_.size(); }
  std::size_t capacity() const { return capacity_; }

  /// With the elements as strings.
  std::string Json() const {
    JsonView view;
    view.BeginObject().Field("count", count_).Key("sample").BeginArray();
    for (const Keyed& each : Sorted()) view.Value(each.element);
    return view.EndArray().EndObject().Take();
  }

  std::string Save() const {
    std::string bytes;
    for (const std::uint64_t number : {kFormat, std::uint64_t{capacity_}, random_, count_, skip_,
                                       std::uint64_t{elements_.size()}}) {
      PutUint64(&bytes, number);
    }
    for (const Keyed& each : Sorted()) {
      PutDouble(&bytes, each.key);
      PutUint64(&bytes, each.element.size());
      bytes += each.element;
    }
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote. What is loaded goes on exactly as the saved
  /// one.
  static std::optional<Reservoir> Load(std::string_view bytes) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat) return std::nullopt;
    const std::uint64_t capacity = reader.Uint64();
    Reservoir loaded(static_cast<std::size_t>(capacity), reader.Uint64());
    if (loaded.capacity_ != capacity) return std::nullopt;
    loaded.count_ = reader.Uint64();
    loaded.skip_ = reader.Uint64();
    const std::uint64_t size = reader.Uint64();
    if (size != std::min(capacity, loaded.count_)) return std::nullopt;
    for (std::uint64_t i = 0; i < size; ++i) {
      const double key = reader.Double();
      const std::string_view element = reader.Bytes(reader.Uint64());
      if (!reader.ok() || !(key >= 0 && key < 1)) return std::nullopt;
      loaded.elements_.push_back({key, std::string(element)});
    }
    if (!reader.Finished()) return std::nullopt;
    if (!std::is_sorted(loaded.elements_.begin(), loaded.elements_.end(), Below)) {
      return std::nullopt;
    }
    if (size < capacity && loaded.skip_ != 0) return std::nullopt;
    std::make_heap(loaded.elements_.begin(), loaded.elements_.end(), Below);
    return loaded;
  }

 private:
  struct Keyed {
    double key;
    std::string element;
  };
  static constexpr std::uint64_t kFormat = 0x31'76'72'65'73'65'72'20ULL;  // " reserv1"

  // A heap of this has the largest key at its root.
  static bool Below(const Keyed& a, const Keyed& b) {
    return std::tie(a.key, a.element) < std::tie(b.key, b.element);
  }
  std::vector<Keyed> Sorted() const {
    std::vector<Keyed> sorted = elements_;
    std::sort(sorted.begin(), sorted.end(), Below);
    return sorted;
  }
  // How many come whose keys are above the largest one held: each is with a chance of 1 - key.
  void DrawSkip() {
    const double stays = elements_.front().key;
    const double skip = std::floor(std::log(Uniform()) / std::log1p(-stays));
    skip_ = skip < 9e18 ? static_cast<std::uint64_t>(skip) : std::uint64_t{9} << 60;
  }
  // Above 0 and below 1.
  double Uniform() {
    random_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = random_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    return (static_cast<double>(z >> 12) + 0.5) * 0x1p-52;
  }

  std::size_t capacity_;
  std::uint64_t random_;
  std::uint64_t count_ = 0;
  std::uint64_t skip_ = 0;
  std::vector<Keyed> elements_;  // a heap
};

}  // namespace rivulet
