// Query strings: `a=1&b=two+words&c=%41`. Percent-decoded, `+` is a space, the first of a repeated
// name wins. Names match without regard to case and are not decoded; a `%` that is not followed by
// two hexadecimal digits stands for itself. (Both as the original daemons do.)
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace rivulet {

/// The decoded value of `name`, or nothing when it does not occur. `name` without '=' counts as
/// absent. O(query).
std::optional<std::string> FindParameter(std::string_view query, std::string_view name);

std::string PercentDecode(std::string_view text, bool plus_is_space);

}  // namespace rivulet
