// The token of a request: `Authorization: Bearer TOKEN`, else `?token=TOKEN`.
#pragma once

#include <string_view>

#include "http/request.h"

namespace rivulet {

enum class BroughtToken : unsigned char { kNone, kWrong, kRight };

/// Compared in a time that depends on the lengths alone.
BroughtToken CompareToken(const Request& request, std::string_view token);

}  // namespace rivulet
