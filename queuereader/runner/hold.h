// Messages that are not due yet, kept in memory until they are: bounded, and looked at only when
// the first of them is due, so that waiting costs nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "queuereader/source/source.h"

namespace rivulet {

class Hold {
 public:
  struct Item {
    WallTime due{};
    std::uint64_t sequence = 0;  // of those due at the same time, the first held is first
    Delivery delivery;           // its offset means nothing any more
    std::string body;
  };

  Hold(std::size_t max_messages, std::size_t max_bytes)
      : max_messages_(max_messages), max_bytes_(max_bytes) {}

  /// False, and nothing is kept, when full. One message is always taken, whatever its size.
  bool Add(std::string_view body, const Delivery& delivery, WallTime due) {
    if (!items_.empty() && (items_.size() >= max_messages_ || bytes_ + body.size() > max_bytes_)) {
      return false;
    }
    bytes_ += body.size();
    items_.push_back({due, next_sequence_++, delivery, std::string(body)});
    std::push_heap(items_.begin(), items_.end(), Later);
    return true;
  }

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  /// When the first is due. Requires !empty().
  WallTime first_due() const { return items_.front().due; }
  /// Takes the one that is due first. Requires !empty(). O(log size).
  Item Take() {
    std::pop_heap(items_.begin(), items_.end(), Later);
    Item item = std::move(items_.back());
    items_.pop_back();
    bytes_ -= item.body.size();
    return item;
  }

 private:
  static bool Later(const Item& a, const Item& b) {
    return a.due != b.due ? a.due > b.due : a.sequence > b.sequence;
  }

  std::size_t max_messages_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::uint64_t next_sequence_ = 0;
  std::vector<Item> items_;  // a heap
};

}  // namespace rivulet
