// What the files of a stream are called: --filename-format.
//
//   clicks/%Y-%m-%d/%H-{country}.jsonl        clicks/2012-03-16/18-US.jsonl
//
// %X is a conversion of strftime(3) in UTC, {PATH} the text of a field of the message (base/json),
// {n} the number of the file among those of the same name. A name is made in three steps:
//
//   time key   conversions are replaced; all messages of one moment have the same
//   base       fields are replaced; all messages of one partition have the same
//   name       the number is put in, from 0 on: in place of {n}, or as `.N` before the suffix of
//              the compression, from 1 on
//
// The text of a field cannot leave its place in the name: what is not [A-Za-z0-9._-] is
// percent-encoded, and so is a dot that it begins with; at most kMaxFieldBytes of it are taken. A
// field that is absent or empty is `none`. A base that would end with `.part`, as only files that
// are not complete do, ends with `%2Epart`.
//
// Movable. Thread: one. No I/O, no clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_field.h"
#include "base/status.h"

namespace rivulet {

class FileNameFormat {
 public:
  static constexpr std::size_t kMaxFieldBytes = 100;
  /// Of one folder or file name, so that a number and `.part` still fit into the 255 of a system.
  static constexpr std::size_t kMaxNameBytes = 220;

  /// `suffix` (".gz", or empty) is added where the format does not end with it. kInvalidArgument
  /// says what would be right.
  static Result<FileNameFormat> Parse(std::string_view format, std::string_view suffix);

  /// Seconds since 1970. True when the time key is another one than before. To be called before
  /// BaseOf(). O(1) within a second.
  bool SetTime(std::int64_t seconds);
  const std::string& time_key() const { return time_key_; }
  /// Valid until the next call. O(message x fields), O(1) without fields.
  std::string_view BaseOf(std::string_view message);

  bool has_fields() const { return has_fields_; }
  const std::string& suffix() const { return suffix_; }
  /// The folder that all files are below, whatever the time and the message: "." or "clicks".
  const std::string& fixed_folder() const { return fixed_folder_; }

 private:
  struct Piece {
    std::string text;                    // for strftime; empty for a field
    std::string expanded;                // of this moment
    std::vector<JsonFieldReader> field;  // one, or none
    std::size_t max_bytes = kMaxFieldBytes;
  };

  Status ParsePieces(std::string_view format);
  bool LimitFields();
  std::string Expand(std::int64_t seconds);

  std::vector<Piece> pieces_;
  std::string suffix_;
  std::string fixed_folder_;
  bool has_fields_ = false;
  std::int64_t seconds_ = INT64_MIN;
  std::string time_key_;
  std::string base_;
};

/// The name of the file of that base and number. O(base).
std::string NumberedName(std::string_view base, std::uint64_t number, std::string_view suffix);

/// The text of a field as it stands in a file name: at most `max_bytes`, never cut inside of %XX.
std::string SafeFieldText(std::string_view text, std::size_t max_bytes);

}  // namespace rivulet
