// Many messages in one body, cut at a separator. (Framed ones: base/frames.h.)
#pragma once

#include <string_view>

namespace rivulet {

/// Calls `each(record)` for every record of `body` between separators; empty ones are skipped.
/// `separator` must not be empty. O(body).
template <typename Each>
void ForEachRecord(std::string_view body, std::string_view separator, Each&& each) {
  std::size_t begin = 0;
  while (begin < body.size()) {
    std::size_t end =
        separator.size() == 1 ? body.find(separator[0], begin) : body.find(separator, begin);
    if (end == std::string_view::npos) end = body.size();
    if (end > begin) each(body.substr(begin, end - begin));
    begin = end + separator.size();
  }
}

}  // namespace rivulet
