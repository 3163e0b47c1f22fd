// Escapes in strings of JSON (RFC 8259 section 7), for those who read JSON without a document.
#pragma once

#include <string>
#include <string_view>

namespace rivulet {

/// The UTF-16 code unit of the four hexadecimal digits at `at`, or -1 where there are no four
/// before `end`.
int JsonCodeUnit(const char* at, const char* end);
constexpr bool IsHighSurrogate(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
constexpr bool IsLowSurrogate(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/// Replaces `out` by the text of a string, `raw` being what stands between its quotes. It must have
/// been found valid: every escape whole, and no surrogate alone. O(raw).
void UnescapeJson(std::string_view raw, std::string* out);

}  // namespace rivulet
