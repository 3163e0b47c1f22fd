// Parameters of requests, and what is answered when one is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace rivulet {

class Reply;
class Request;

/// A client's text as an error message may repeat it: escaped, and cut.
std::string Shown(std::string_view text);

/// What a POST brings as its body, byte for byte; empty for other methods.
std::string_view PostBody(const Request& request);

struct DurationBounds {
  Duration least;
  Duration most;
  std::string_view option;  // the one that sets `most`; empty: none does
};

// Each leaves `*value` as it is when the parameter is absent, and answers 400 and returns false
// when it is wrong.

bool DurationParam(const Request& request, Reply& reply, std::string_view name,
                   const DurationBounds& bounds, Duration* value);
/// items=: 1 when absent.
bool ItemsParam(const Request& request, Reply& reply, std::uint64_t* items);

/// Farther ahead than this no delay, lease or time to live may reach.
inline constexpr Duration kLongestTime = std::chrono::hours(24 * 3650);

}  // namespace rivulet
