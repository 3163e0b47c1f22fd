// The store in this process's memory: --store=memory: (the default). It lives as long as the
// process, and in the reader's checkpoint where there is one.
//
// A whole number that Increment() wrote is its decimal digits, as Set() would write it: "12", "-3".
// Every operation is O(key + value); keys that a message chooses cannot be made to collide.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "algorithms/siphash.h"
#include "base/status.h"
#include "store/store.h"

namespace rivulet {

class MemoryStore final : public Store {
 public:
  MemoryStore();

  Result<std::optional<std::string>> Get(std::string_view key) override;
  Status Set(std::string_view key, std::string_view value) override;
  Result<std::int64_t> Increment(std::string_view key, std::int64_t by) override;
  Status Delete(std::string_view key) override;

  std::size_t size() const;
  /// Of all keys and values.
  std::size_t bytes() const;

  /// All of it, as bytes; empty when there is nothing. O(bytes).
  std::string Save() const;
  /// Replaces everything. kCorrupt, and nothing is changed, when `saved` is not what Save() gave.
  Status Load(std::string_view saved);

 private:
  struct Hash {
    using is_transparent = void;
    std::uint64_t low;
    std::uint64_t high;
    std::size_t operator()(std::string_view key) const { return SipHash<1, 3>(key, low, high); }
  };
  using Values = std::unordered_map<std::string, std::string, Hash, std::equal_to<>>;
  static Values EmptyValues();

  /// The value at `key`, made when there is none.
  std::string& At(std::string_view key);

  Values values_;
  std::size_t bytes_ = 0;
};

}  // namespace rivulet
