#include "store/store_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <utility>

#include "base/units.h"
#include "store/open_store.h"

namespace rivulet {
namespace {

constexpr std::string_view kEncoding = "a % must be followed by two hexadecimal digits, not 00";
constexpr std::uint64_t kLastPort = 65535;
constexpr std::uint64_t kLastDb = std::numeric_limits<std::int32_t>::max();

/// A URL that is refused, shown without its password.
class UrlError {
 public:
  explicit UrlError(std::string_view url) : url_(url) {}
  Status operator()(std::string_view what) const { return StoreUrlError(url_, what); }

 private:
  std::string_view url_;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Takes "USER:PASSWORD@", "USER@" or ":PASSWORD@" off the beginning.
Status TakeUser(const UrlError& error, std::string_view* rest, RedisAddress* address) {
  // A password may hold what a path does; a host holds no @.
  const std::size_t at = rest->rfind('@', rest->find('/'));
  if (at == std::string_view::npos) return {};
  const std::string_view user = rest->substr(0, at);
  const std::size_t colon = std::min(user.find(':'), user.size());
  const auto name = DecodedUrlPart(user.substr(0, colon));
  const auto password = DecodedUrlPart(user.substr(std::min(colon + 1, user.size())));
  if (!name || !password) return error(std::string("in the user or password ") += kEncoding);
  address->user = *name;
  address->password = *password;
  *rest = rest->substr(at + 1);
  return {};
}

Status ReadDb(const UrlError& error, std::string_view text, RedisAddress* address) {
  const auto db = ParseUint(text);
  if (!db.ok() || *db > kLastDb) {
    return error(fmt::format("the DB '{}' must be a number from 0 to {}", text, kLastDb));
  }
  address->db = static_cast<std::uint32_t>(*db);
  return {};
}

/// What redis: and redis+unix: may have.
Status ReadParameters(const UrlError& error, const std::vector<StoreUrlParameter>& parameters,
                      RedisAddress* address) {
  for (const auto& [name, value] : parameters) {
    if (name == "db") {
      if (Status status = ReadDb(error, value, address); !status.ok()) return status;
    } else if (name == "timeout") {
      const auto timeout = ParseDuration(value);
      if (!timeout.ok() || *timeout <= Duration::zero()) {
        return error(fmt::format("timeout={} must be a time above 0, as in 5s", value));
      }
      address->timeout = *timeout;
    } else {
      return error(fmt::format("'{}' must be db or timeout", name));
    }
  }
  return {};
}

/// "HOST", "HOST:PORT", "[::1]:PORT"
Status ReadHost(const UrlError& error, std::string_view text, RedisAddress* address) {
  std::string_view port;
  bool has_port = false;
  std::string_view host = text;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return error("after [ there must be an address and ]");
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    has_port = !port.empty();
    if (has_port && port.front() != ':') return error("after ] there must be :PORT or /DB");
    if (has_port) port.remove_prefix(1);
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
    if (port.find(':') != std::string_view::npos) {
      return error("an IPv6 address must stand in [ ], as in redis://[::1]:6379/0");
    }
  }
  if (host.empty()) return error("there must be a host, as in redis://127.0.0.1:6379/0");
  address->host = host;
  if (!has_port) return {};
  const auto number = ParseUint(port);
  if (!number.ok() || *number == 0 || *number > kLastPort) {
    return error(fmt::format("the port '{}' must be a number from 1 to {}", port, kLastPort));
  }
  address->port = static_cast<std::uint16_t>(*number);
  return {};
}

/// After "redis://".
Result<RedisAddress> ReadTcp(const UrlError& error, std::string_view rest) {
  RedisAddress address;
  // Else a part of the password would be taken for a port, and shown.
  if (rest.find('@', rest.find_first_of("/?")) != std::string_view::npos) {
    return error("in a user or password / ? @ must be written as %2F %3F %40");
  }
  const auto parameters = TakeUrlParameters(&rest);
  if (Status status = TakeUser(error, &rest, &address); !status.ok()) return status;
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view db = rest.substr(std::min(slash + 1, rest.size()));
  Status status = ReadHost(error, rest.substr(0, slash), &address);
  if (status.ok() && !db.empty()) status = ReadDb(error, db, &address);
  if (status.ok()) status = ReadParameters(error, parameters, &address);
  if (!status.ok()) return status;
  return address;
}

/// After "redis+unix://".
Result<RedisAddress> ReadUnix(const UrlError& error, std::string_view rest) {
  RedisAddress address;
  const auto parameters = TakeUrlParameters(&rest);
  if (Status status = TakeUser(error, &rest, &address); !status.ok()) return status;
  if (!rest.starts_with('/') || rest.size() == 1) {
    return error("there must be a path from /, as in redis+unix:///run/redis/redis.sock?db=0");
  }
  const auto path = DecodedUrlPart(rest);
  if (!path) return error(std::string("in the path ") += kEncoding);
  address.unix_path = *path;
  if (Status status = ReadParameters(error, parameters, &address); !status.ok()) return status;
  return address;
}

}  // namespace

std::optional<std::string> DecodedUrlPart(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::vector<StoreUrlParameter> TakeUrlParameters(std::string_view* rest) {
  std::vector<StoreUrlParameter> parameters;
  const std::size_t mark = rest->find('?');
  if (mark == std::string_view::npos) return parameters;
  std::string_view query = rest->substr(mark + 1);
  *rest = rest->substr(0, mark);
  while (!query.empty()) {
    const std::string_view each = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), each.size() + 1));
    const std::size_t equals = std::min(each.find('='), each.size());
    parameters.push_back({each.substr(0, equals), each.substr(std::min(equals + 1, each.size()))});
  }
  return parameters;
}

Result<RedisAddress> ParseRedisUrl(std::string_view url) {
  constexpr std::string_view kTcp = "redis://";
  constexpr std::string_view kUnix = "redis+unix://";
  const UrlError error(url);
  if (url.starts_with(kTcp)) return ReadTcp(error, url.substr(kTcp.size()));
  if (url.starts_with(kUnix)) return ReadUnix(error, url.substr(kUnix.size()));
  return error("it must begin with redis:// or redis+unix://");
}

Status ReadRedisPassword(const std::string& file, RedisAddress* address) {
  std::ifstream in(file);
  std::string line;
  if (!in || !std::getline(in, line)) {
    return IoError(fmt::format("the password file {}", file), errno != 0 ? errno : EIO);
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  address->password = std::move(line);
  return {};
}

Result<RedisAddress> OpenRedisUrl(std::string_view url, const std::string& password_file) {
  auto address = ParseRedisUrl(url);
  if (!address.ok() || password_file.empty()) return address;
  if (!address->password.empty()) {
    return StoreUrlError(url, "it must hold no password where there is a password file");
  }
  if (Status status = ReadRedisPassword(password_file, &*address); !status.ok()) return status;
  return address;
}

Status StoreUrlError(std::string_view url, std::string_view what) {
  return InvalidArgument(fmt::format("store {}: {}", ShownStoreUrl(url), what));
}

}  // namespace rivulet
