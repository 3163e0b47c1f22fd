// The conditions of a mapping: `type is page_view and not (bot or duplicate)`.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "collector/mapping_source.h"
#include "collector/mapping_tokens.h"

namespace rivulet {

/// A tree in a row: the last node is the root. An empty one holds always.
class MappingCondition {
 public:
  /// Parses what stands there up to where no condition can go on. Sources are added to `values`.
  /// Errors come without file and line.
  static Result<MappingCondition> Parse(MappingTokens* tokens, EventValues* values);

  bool Holds(EventValues* values) const;
  void Negate();

 private:
  friend class MappingConditionParser;

  enum class Op : unsigned char { kAnd, kOr, kNot, kIs, kBeginsWith, kContains, kExists, kTrue };
  struct Wanted {
    std::string text;
    std::optional<double> number;  // a bare word that is one
  };
  struct Node {
    Op op = Op::kTrue;
    std::size_t left = 0;  // nodes, of kAnd, kOr and kNot; of the others a source
    std::size_t right = 0;
    std::vector<Wanted> wanted;  // any of them
  };

  bool HoldsAt(std::size_t at, EventValues* values) const;
  static bool Matches(const MappingValue& value, const Wanted& wanted, Op op);

  std::vector<Node> nodes_;
};

}  // namespace rivulet
