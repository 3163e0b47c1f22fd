// What stands at the keys of a store in memory, how much of it there is, and what is gone by now.
//
// A key that has expired is not there, from that moment on; who looks at it frees it, and Sweep() a
// few that nobody looks at. An empty hash or sorted set is not there, either: whoever takes the
// last field or member takes the key (see Tidy()).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

#include "algorithms/hyperloglog.h"
#include "base/clock.h"
#include "store/key_table.h"
#include "store/scalar.h"
#include "store/sorted_set.h"

namespace rivulet {

using HashFields = KeyTable<Scalar>;

struct DistinctElements {
  HyperLogLog sketch;
  std::uint64_t kept_for_batch = 0;  // see BatchUndo
};

struct HeldValue {
  std::variant<Scalar, std::unique_ptr<HashFields>, std::unique_ptr<SortedSet>,
               std::unique_ptr<DistinctElements>>
      value;
  std::int64_t expires_ms = 0;  // of the wall clock; 0: never

  Scalar* scalar() { return std::get_if<Scalar>(&value); }
  HashFields* hash() { return Pointee<HashFields>(); }
  SortedSet* sorted() { return Pointee<SortedSet>(); }
  DistinctElements* distinct() { return Pointee<DistinctElements>(); }
  /// With its article, for messages.
  const char* kind() const;
  /// Of keys, fields, members and texts; 8 a number.
  std::size_t bytes() const;

 private:
  template <typename T>
  T* Pointee() {
    auto* held = std::get_if<std::unique_ptr<T>>(&value);
    return held != nullptr ? held->get() : nullptr;
  }
};

std::size_t BytesOf(const HyperLogLog& sketch);

class HeldValues {
 public:
  static constexpr std::uint32_t kNone = KeyTable<HeldValue>::kNone;

  HeldValues(const Clock& clock, KeySeed seed) : clock_(&clock), seed_(seed), keys_(seed) {}

  /// The time is read anew, when it is needed next, and stays until the next call.
  void Begin() { now_ms_ = kNoTime; }
  std::int64_t now_ms();

  /// The number of what is there at `key`, or kNone.
  std::uint32_t Find(std::string_view key) {
    const std::uint32_t at = keys_.Find(key);
    if (at != kNone && keys_.ValueAt(at).expires_ms != 0) return FindExpiring(at);
    return at;
  }
  /// Also of what has expired.
  bool Holds(std::string_view key) const { return keys_.Find(key) != kNone; }
  HeldValue& At(std::uint32_t at) { return keys_.ValueAt(at); }
  std::string_view KeyAt(std::uint32_t at) const { return keys_.KeyAt(at); }
  /// Requires that there is nothing at `key`. `bytes` of the value are counted by the caller.
  std::uint32_t Make(std::string_view key) {
    const std::uint32_t at = keys_.Insert(key).first;
    bytes_ += key.size();
    return at;
  }
  void Remove(std::uint32_t at) { Take(at); }
  /// Removes it, and gives what it was.
  HeldValue Take(std::uint32_t at);
  /// Removes it when it is a hash or a sorted set that holds nothing.
  void Tidy(std::uint32_t at);
  /// 0: never.
  void SetExpiry(std::uint32_t at, std::int64_t expires_ms);

  std::unique_ptr<HashFields> NewHash() const { return std::make_unique<HashFields>(seed_); }
  std::unique_ptr<SortedSet> NewSorted() const { return std::make_unique<SortedSet>(seed_); }

  /// Frees a few of those that have expired.
  void Sweep();

  std::size_t size() const { return keys_.size(); }
  std::size_t bytes() const { return bytes_; }
  /// What a value has grown or shrunk by.
  void CountBytes(std::size_t before, std::size_t after) { bytes_ = bytes_ - before + after; }

  /// `visit(key, value)` for all that are there.
  template <typename Visit>
  void ForEach(Visit visit) {
    const std::int64_t now = now_ms();
    keys_.ForEach([&](std::uint32_t, std::string_view key, HeldValue& value) {
      if (value.expires_ms == 0 || value.expires_ms > now) visit(key, value);
    });
  }

 private:
  static constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();

  std::uint32_t FindExpiring(std::uint32_t at);
  void RemoveExpired(std::uint32_t at);

  const Clock* clock_;
  KeySeed seed_;
  KeyTable<HeldValue> keys_;
  std::set<std::pair<std::int64_t, std::uint32_t>> expiries_;
  std::size_t bytes_ = 0;
  std::int64_t now_ms_ = kNoTime;
};

}  // namespace rivulet
