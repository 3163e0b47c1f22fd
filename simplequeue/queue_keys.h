// The keys of the messages put lately, so that a repeat is dropped. A key may outlive its message.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace rivulet {

class QueueKeys {
 public:
  /// Remembers a key until that time, for a message with a greater id than all before. O(log keys).
  void Add(std::string_view key, std::uint64_t id, MonoTime until);
  /// The message of a key that is remembered still. O(log keys).
  std::optional<std::uint64_t> Find(std::string_view key, MonoTime now) const;
  /// Forgets keys whose time is over, the oldest first. O(log keys) for each of them.
  void Expire(MonoTime now);

  /// As Add, in any order of ids; nothing else but Restore() until EndRestore().
  void Restore(std::string_view key, std::uint64_t id, MonoTime until);
  /// O(keys log keys).
  void EndRestore(MonoTime now);

  /// Calls each(key, id, until) for messages with these ids, both included, by id.
  template <typename Each>
  void ForEach(std::uint64_t first_id, std::uint64_t last_id, Each&& each) const {
    auto at = std::lower_bound(by_id_.begin(), by_id_.end(), first_id,
                               [](const ById& b, std::uint64_t id) { return b.id < id; });
    for (; at != by_id_.end() && at->id <= last_id; ++at) {
      const auto& [key, value] = *at->entry;
      if (value.id == at->id) each(std::string_view(key), value.id, value.until);
    }
  }

  std::size_t size() const { return keys_.size(); }

 private:
  struct Value {
    std::uint64_t id = 0;
    MonoTime until{};
  };
  // An ordered map, not a hash: clients choose the keys.
  using Keys = std::map<std::string, Value, std::less<>>;
  struct ById {
    std::uint64_t id = 0;
    Keys::iterator entry;  // it may be of a later message by now
  };

  Keys keys_;
  std::deque<ById> by_id_;
};

}  // namespace rivulet
