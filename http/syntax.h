// Character classes of RFC 9110 and 3986, as one table.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace rivulet {

namespace internal {

inline constexpr std::uint8_t kTokenClass = 1;
inline constexpr std::uint8_t kTargetClass = 2;
inline constexpr std::uint8_t kFieldValueClass = 4;
inline constexpr std::uint8_t kHostClass = 8;

constexpr std::array<std::uint8_t, 256> MakeCharClasses() {
  std::array<std::uint8_t, 256> table{};
  const auto add = [&table](std::string_view chars, std::uint8_t bits) {
    for (const char c : chars) table[static_cast<unsigned char>(c)] |= bits;
  };
  add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", kTokenClass | kHostClass);
  add("!#$%&'*+-.^_`|~", kTokenClass);
  // Registered names, IPv4, [IPv6], ports, percent-encoding; no user information, no separators.
  add("-._~%!$&'()*+,;=:[]", kHostClass);
  for (unsigned c = 0x21; c <= 0x7e; ++c) table[c] |= kTargetClass;
  for (unsigned c = 0x20; c <= 0xff; ++c) {
    if (c != 0x7f) table[c] |= kFieldValueClass;
  }
  table['\t'] |= kFieldValueClass;
  return table;
}

inline constexpr auto kCharClasses = MakeCharClasses();

inline bool HasClass(char c, std::uint8_t bits) {
  return (kCharClasses[static_cast<unsigned char>(c)] & bits) != 0;
}

}  // namespace internal

inline bool IsTokenChar(char c) { return internal::HasClass(c, internal::kTokenClass); }
inline bool IsTargetChar(char c) { return internal::HasClass(c, internal::kTargetClass); }
inline bool IsFieldValueChar(char c) { return internal::HasClass(c, internal::kFieldValueClass); }
inline bool IsBlank(char c) { return c == ' ' || c == '\t'; }
inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// -1 when `c` is no hexadecimal digit.
inline int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Only bytes a host and port may have. An empty Host is legal (RFC 9112 3.2).
inline bool IsHostAndPort(std::string_view text) {
  for (const char c : text) {
    if (!internal::HasClass(c, internal::kHostClass)) return false;
  }
  return true;
}

}  // namespace rivulet
