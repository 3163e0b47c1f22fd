#include "collector/origin.h"

#include <algorithm>

#include "http/message.h"

namespace rivulet {

std::string_view OriginOf(std::string_view url) {
  constexpr std::string_view kScheme = "://";
  const std::size_t scheme = url.find(kScheme);
  if (scheme == 0 || scheme == std::string_view::npos) return {};
  const std::size_t host = scheme + kScheme.size();
  const std::string_view origin = url.substr(0, url.find_first_of("/?#", host));
  return origin.size() == host ? std::string_view() : origin;
}

bool RefererAllowed(std::string_view referer, const std::vector<std::string>& allowed,
                    std::string_view host) {
  const std::string_view origin = OriginOf(referer);
  const bool listed = std::any_of(allowed.begin(), allowed.end(), [origin](const std::string& one) {
    return one == "*" || (!origin.empty() && one == origin);
  });
  if (listed || origin.empty()) return listed;
  // Behind a proxy the scheme may not be ours.
  return EqualsIgnoreCase(origin.substr(origin.find("://") + 3), host);
}

}  // namespace rivulet
