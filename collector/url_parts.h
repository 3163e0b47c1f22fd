// A URL in its parts: a pass over it, no copies. For the locations that browsers send: whatever it
// is, it is cut somehow, and what is not there is empty.
//
// Source: RFC 3986, appendix B; query parameters as URLSearchParams has them (WHATWG URL, 5.1).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet {

/// Views into the URL, nothing decoded.
struct UrlParts {
  std::string_view scheme;    // "https"
  std::string_view host;      // "shop.example", "[::1]"; without user information
  std::string_view port;      // as written; empty where it is the scheme's own
  std::string_view path;      // "/a/b"
  std::string_view query;     // without its "?"
  std::string_view fragment;  // without its "#"
};

/// O(url).
UrlParts CutUrl(std::string_view url);

/// What stands between the slashes: of "/a/b" 1 is "a" and 2 is "b". Not decoded.
std::optional<std::string_view> PathSegment(std::string_view path, std::size_t number);

/// The value of the first parameter of that name, not decoded: "+" and "%41" are still in it. Names
/// are compared decoded and in their case. A name without "=" has the value "". O(query).
std::optional<std::string_view> QueryValue(std::string_view query, std::string_view name);

/// `text` decoded; itself when there is nothing to decode, else in `room`.
std::string_view DecodePercent(std::string_view text, bool plus_is_space, std::string* room);

}  // namespace rivulet
