// What a message is called where people read of it: the same when it comes again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace rivulet {

/// In pieces, so that to name each message that runs costs next to nothing. Borrows the origin.
struct MessageName {
  enum class Kind : std::uint8_t {
    kPlain,   // "ORIGIN"
    kLeased,  // "ORIGIN message NUMBER-INCARNATION", the incarnation in hexadecimal digits; where
              // it is 0: "ORIGIN message NUMBER"
    kLine,    // "ORIGIN byte NUMBER"
    kCall,    // no message: what a task does besides, as "its state was saved"; "ORIGIN"
  };
  std::string_view origin;
  Kind kind = Kind::kPlain;
  std::uint64_t number = 0;
  std::uint64_t incarnation = 0;
};

/// Of what stands behind the origin at most.
inline constexpr std::size_t kMaxNameEndBytes = 64;

/// Writes what stands behind the origin, at most kMaxNameEndBytes, and returns how many bytes that
/// are. Safe in a signal handler.
std::size_t WriteNameEnd(const MessageName& name, char* out);

}  // namespace rivulet
