// The names that clients give to queues, topics and themselves.
#pragma once

#include <algorithm>
#include <string_view>

namespace rivulet {

/// What IsName() accepts, for messages.
inline constexpr std::string_view kNameRule = "must be 1 to 64 of A-Z a-z 0-9 . _ -";

/// True for [A-Za-z0-9._-]{1,64}.
inline bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

}  // namespace rivulet
