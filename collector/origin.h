// Of which origin a page is, where only its URL is told.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rivulet {

/// "https://host:port" of a URL; empty for what has no host.
std::string_view OriginOf(std::string_view url);

/// Whether a page that is known by its Referer may send: its origin is one of `allowed` ("*" is
/// any), or it is of the host that was asked. O(allowed).
bool RefererAllowed(std::string_view referer, const std::vector<std::string>& allowed,
                    std::string_view host);

}  // namespace rivulet
