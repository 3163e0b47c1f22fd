// The words of a line of a mapping.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rivulet {

struct MappingToken {
  enum class Kind : unsigned char { kWord, kText, kEquals, kComma, kOpen, kClose, kEnd };

  Kind kind = Kind::kEnd;
  std::string_view written;  // as it stands there; borrows the line
  std::string text;          // of a kText what its quotes hold; of a kWord the same as `written`

  bool is(Kind other) const { return kind == other; }
  bool is_word(std::string_view word) const { return kind == Kind::kWord && written == word; }
  /// "'=' " for messages; "the end of the line".
  std::string shown() const;
};

/// The last one is kEnd. Comments are gone. `line` holds no newline and is UTF-8.
Result<std::vector<MappingToken>> CutMappingLine(std::string_view line);

/// Goes over them; stays at the last.
class MappingTokens {
 public:
  explicit MappingTokens(const std::vector<MappingToken>& tokens) : tokens_(&tokens) {}

  const MappingToken& next() const { return (*tokens_)[at_]; }
  MappingToken Take() {
    MappingToken token = next();
    if (at_ + 1 < tokens_->size()) ++at_;
    return token;
  }
  bool TakeIf(std::string_view word) {
    const bool found = next().is_word(word);
    if (found) Take();
    return found;
  }
  bool TakeIf(MappingToken::Kind kind) {
    const bool found = next().is(kind);
    if (found) Take();
    return found;
  }

 private:
  const std::vector<MappingToken>* tokens_;
  std::size_t at_ = 0;
};

}  // namespace rivulet
