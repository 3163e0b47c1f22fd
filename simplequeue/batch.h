// Many messages in one body: cut at a separator, or framed (`BYTES\n` + body + `\n` for each).
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"

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

/// The bodies of a framed batch, as views into it. One wrong frame refuses all; the message names
/// the byte where it starts. Empty bodies are skipped, as everywhere.
Result<std::vector<std::string_view>> ParseFrames(std::string_view batch);

}  // namespace rivulet
