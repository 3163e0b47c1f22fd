// Regular expressions that come from clients and operators: RE2, so that time is linear in the text
// whatever the pattern, with bounded memory, and quiet.
#pragma once

#include <memory>
#include <string_view>

#include "base/status.h"

namespace re2 {
class RE2;
}

namespace rivulet {

/// Memory of a compiled pattern, what matching learns included.
inline constexpr std::size_t kPatternMaxBytes = 512 * 1024;

/// `name`: how the message calls the pattern. kInvalidArgument: what is wrong with it, in one line.
Result<std::unique_ptr<re2::RE2>> CompilePattern(std::string_view name, std::string_view pattern);
/// O(text).
bool MatchesAnywhere(const re2::RE2& pattern, std::string_view text);

}  // namespace rivulet
