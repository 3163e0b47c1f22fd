// From an event to the message that is published of it: a small declarative language.
//
//   # A line a statement; what is behind # is a comment.
//   at     = time                       # server time, milliseconds since 1970
//   type   = type
//   party  = party
//   url    = location
//   source = location.fragment.query.source
//   item   = param.productId
//   price  = param.price as number
//   shop   = "north"                    # always this text
//   geo.country = param.country or "unknown"      # geo is an object in the message
//
//   when type is page_view and location.fragment.query.source is top_pick
//     type = "click"                    # later lines win
//     item = location.path.2            # the second segment
//   end
//   drop when bot or duplicate
//
// The full grammar stands in collector(1) and in the implementation's head. A mapping is checked
// whole before anything is served: errors say FILE:LINE, what is wrong and what would be right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "collector/event.h"

namespace rivulet {

/// Immutable, movable. Thread: any, one at a time.
class Mapping {
 public:
  /// `name` is how errors call the text: its file.
  static Result<Mapping> Parse(std::string_view text, std::string_view name);
  static Result<Mapping> Read(const std::string& path);
  /// What is used without --mapping: everything that is known of an event, under its own name.
  static Mapping Everything();

  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  static constexpr std::size_t kMaxMessageBytes = 64 * 1024;
  static constexpr std::size_t kMaxTextBytes = 8 * 1024;

  enum class Made : unsigned char { kMessage, kDropped };
  /// Appends the message to `out`, one line of JSON without newline (so that it can go anywhere
  /// where lines go), at most kMaxMessageBytes; texts are escaped, whatever they hold. A text that
  /// is a field's value is cut at kMaxTextBytes, at the end of a character; a value that would make
  /// the message too long is left out, and so is a field without a value. kDropped: nothing was
  /// appended. O(fields of the mapping + bytes).
  Made Apply(const Event& event, std::string* out) const;

  std::size_t fields() const;
  /// Values that were cut or left out for their length, since this was made.
  std::uint64_t shortened() const;

 private:
  struct Impl;
  explicit Mapping(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
