// For simplequeue/queue*.cc alone: what they share.
#pragma once

#include <algorithm>
#include <vector>

#include "simplequeue/queue.h"

namespace rivulet {

/// What returns together gets positions one behind the other, below those of the next fresh
/// message.
inline constexpr std::uint64_t kMaxReturn = std::uint64_t{1} << (kPositionBits - 1);

/// Puts an id behind the runs, into the last of them where it fits.
inline void AddId(std::vector<IdRun>* runs, std::uint64_t id) {
  if (!runs->empty() && runs->back().first_id + runs->back().count == id &&
      runs->back().count < kMaxReturn) {
    ++runs->back().count;
  } else {
    runs->push_back({id, 1});
  }
}

/// time + d, or the end of all time. Requires d >= 0.
inline MonoTime After(MonoTime time, Duration d) {
  return time > MonoTime::max() - d ? MonoTime::max() : time + d;
}

/// Calls each(id, place, extra) for messages that are all there.
template <typename Each>
void Queue::ForEachExtra(IdRun ids, Each&& each) {
  while (ids.count > 0) {
    const auto slice = table_.FindFrom(ids.first_id, ids.count);
    Extra* const extras = table_.MakeExtras(ids.first_id);
    for (std::size_t i = 0; i < slice.count; ++i) {
      each(ids.first_id + i, slice.places[i], &extras[i]);
    }
    ids.first_id += slice.count;
    ids.count -= slice.count;
  }
}

}  // namespace rivulet
