// What the URL of a store is made of.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/redis_client.h"

namespace rivulet {

/// redis://[USER:PASSWORD@]HOST[:PORT][/DB][?timeout=5s][&db=N], or
/// redis+unix://[USER:PASSWORD@]/PATH[?db=N][&timeout=5s]. User, password and path are
/// percent-decoded. kInvalidArgument names the URL, without its password, and what would be right.
Result<RedisAddress> ParseRedisUrl(std::string_view url);

/// The same, with the first line of `password_file` as its password; kInvalidArgument where the URL
/// has one, too. An empty path: none. Blocks.
Result<RedisAddress> OpenRedisUrl(std::string_view url, const std::string& password_file);

/// The first line of the file becomes the address's password. Blocks.
Status ReadRedisPassword(const std::string& file, RedisAddress* address);

/// Without %XX; nothing where a % is not followed by two hexadecimal digits, or stands for a zero
/// byte, which no path, user or password may hold.
std::optional<std::string> DecodedUrlPart(std::string_view text);

struct StoreUrlParameter {
  std::string_view name;
  std::string_view value;
};
/// Takes "?a=b&c=d" off the end of `*rest`.
std::vector<StoreUrlParameter> TakeUrlParameters(std::string_view* rest);

/// "store URL: WHAT", without the URL's password.
Status StoreUrlError(std::string_view url, std::string_view what);

}  // namespace rivulet
