// The words of HTTP: methods, status codes, field names. RFC 9110.
#pragma once

#include <cstdint>
#include <string_view>

namespace rivulet {

enum class Method : std::uint8_t {
  kGet = 1,
  kHead = 2,
  kPost = 4,
  kPut = 8,
  kDelete = 16,
  kPatch = 32,
  kOptions = 64,
  kUnknown = 0,  // a token we do not implement: answered 501
};

/// A set of methods, as bits of Method.
using MethodSet = std::uint8_t;
constexpr MethodSet Bit(Method m) { return static_cast<MethodSet>(m); }
inline constexpr MethodSet kGetOnly = Bit(Method::kGet);
inline constexpr MethodSet kGetOrPost = Bit(Method::kGet) | Bit(Method::kPost);

/// Case-sensitive, as RFC 9110 9.1 asks.
Method ParseMethod(std::string_view token);
std::string_view MethodName(Method method);

/// "OK", "Not Found", …; "Unknown" for a code we never send.
std::string_view ReasonPhrase(int status);

/// ASCII case-insensitive equality.
bool EqualsIgnoreCase(std::string_view a, std::string_view b);

/// The comma-separated `list` has `token` in it, without regard to case.
bool ListsToken(std::string_view list, std::string_view token);

inline constexpr std::string_view kTextPlain = "text/plain; charset=utf-8";
inline constexpr std::string_view kOctetStream = "application/octet-stream";
inline constexpr std::string_view kApplicationJson = "application/json";

}  // namespace rivulet
