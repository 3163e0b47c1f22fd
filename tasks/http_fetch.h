// A short HTTP exchange for a task, whose thread may wait for it.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

inline constexpr std::size_t kMaxFetchedBytes = std::size_t{4} << 20;

/// The body of a 2xx answer to GET `url`, or with a `json` body to POST: at most kMaxFetchedBytes,
/// within 5 s, no redirects followed, past all proxies. http and https; a user and password in the
/// URL are sent, and not shown in errors. Blocks, but fails soon after `*stop` (may be null) has
/// become true. Thread: any.
Result<std::string> FetchUrl(const std::string& url, std::string_view json = {},
                             const std::atomic<bool>* stop = nullptr);

/// The URL without user and password, for messages.
std::string ShownUrl(std::string_view url);
inline bool HasUserInfo(std::string_view url) { return ShownUrl(url) != url; }

}  // namespace rivulet
