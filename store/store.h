// State that tasks share: keys and values, beside the state that each task keeps for itself.
//
//   auto seen = store.Increment("visitors|" + country, 1);
//
// Keys and values are bytes. An operation that cannot be done now (a store that is away) answers
// kUnavailable; one that asks for the wrong kind of value answers kInvalidArgument and names the
// key. What a task that fails had written stays written: write last, or let the task's own state
// do. Header-only, for tasks in shared objects.
//
// Thread: the one that runs tasks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

class Store {
 public:
  virtual ~Store() = default;
  /// Nothing when there is no such key. O(key) in memory.
  virtual Result<std::optional<std::string>> Get(std::string_view key) = 0;
  virtual Status Set(std::string_view key, std::string_view value) = 0;
  /// Adds to the whole number at `key` (0 when there is none) and returns it. kInvalidArgument when
  /// there is something else, or the sum leaves 64 bits.
  virtual Result<std::int64_t> Increment(std::string_view key, std::int64_t by) = 0;
  /// OK though there was none.
  virtual Status Delete(std::string_view key) = 0;
};

}  // namespace rivulet
