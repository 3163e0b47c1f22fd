#include "collector/mapping_condition.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "collector/json_measure.h"

namespace rivulet {

/// Recursive descent; `or` binds least, then `and`, then `not`.
class MappingConditionParser {
 public:
  MappingConditionParser(MappingTokens* tokens, EventValues* values)
      : tokens_(tokens), values_(values) {}

  Status ParseOr(MappingCondition* condition, int depth) {
    return ParseRow("or", Op::kOr, condition, depth, &MappingConditionParser::ParseAnd);
  }

 private:
  using Op = MappingCondition::Op;
  using Kind = MappingToken::Kind;
  using ParsePart = Status (MappingConditionParser::*)(MappingCondition*, int);
  static constexpr int kMaxDepth = 32;

  Status ParseAnd(MappingCondition* condition, int depth) {
    return ParseRow("and", Op::kAnd, condition, depth, &MappingConditionParser::ParseNot);
  }
  /// Parts between the same word, as a chain to the left.
  Status ParseRow(std::string_view word, Op op, MappingCondition* condition, int depth,
                  ParsePart part) {
    if (Status status = (this->*part)(condition, depth); !status.ok()) return status;
    std::size_t parts = 1;
    while (tokens_->TakeIf(word)) {
      if (++parts > kMaxDepth) {
        return InvalidArgument(
            fmt::format("more than {} conditions between '{}'; a list behind "
                        "'is' takes any number",
                        kMaxDepth, word));
      }
      const std::size_t left = condition->nodes_.size() - 1;
      if (Status status = (this->*part)(condition, depth); !status.ok()) return status;
      condition->nodes_.push_back({op, left, condition->nodes_.size() - 1, {}});
    }
    return {};
  }

  Status ParseNot(MappingCondition* condition, int depth) {
    if (depth > kMaxDepth) {
      return InvalidArgument(fmt::format("a condition of more than {} 'not' and '('", kMaxDepth));
    }
    if (tokens_->TakeIf("not")) {
      if (Status status = ParseNot(condition, depth + 1); !status.ok()) return status;
      condition->Negate();
      return {};
    }
    if (!tokens_->TakeIf(Kind::kOpen)) return ParseTest(condition);
    if (Status status = ParseOr(condition, depth + 1); !status.ok()) return status;
    if (tokens_->TakeIf(Kind::kClose)) return {};
    return InvalidArgument(fmt::format("a '(' must be closed by ')' before {}", Next()));
  }

  Status ParseTest(MappingCondition* condition) {
    const MappingToken word = tokens_->Take();
    if (!word.is(Kind::kWord)) {
      return InvalidArgument(
          fmt::format("a condition begins with a source, as in 'type is click', and not with {}",
                      word.shown()));
    }
    const auto source = ParseMappingSource(word.written);
    if (!source.ok()) return source.status();
    MappingCondition::Node node;
    node.left = values_->Add(*source);
    bool negated = false;
    if (tokens_->TakeIf("is")) {
      node.op = Op::kIs;
      negated = tokens_->TakeIf("not");
    } else if (tokens_->TakeIf("begins")) {
      node.op = Op::kBeginsWith;
      if (!tokens_->TakeIf("with")) {
        return InvalidArgument(fmt::format("behind 'begins' stands 'with', and not {}", Next()));
      }
    } else if (tokens_->TakeIf("contains")) {
      node.op = Op::kContains;
    } else if (tokens_->TakeIf("exists")) {
      node.op = Op::kExists;
    } else if (!source->may_be_boolean()) {
      return InvalidArgument(fmt::format(
          "behind {} stands 'is', 'is not', 'begins with', 'contains' or 'exists', and not {}",
          word.shown(), Next()));
    }
    if (node.op == Op::kIs || node.op == Op::kBeginsWith || node.op == Op::kContains) {
      if (Status status = ParseWanted(&node); !status.ok()) return status;
    }
    condition->nodes_.push_back(std::move(node));
    if (negated) condition->Negate();
    return {};
  }

  Status ParseWanted(MappingCondition::Node* node) {
    do {
      const MappingToken token = tokens_->Take();
      if (!token.is(Kind::kWord) && !token.is(Kind::kText)) {
        return InvalidArgument(
            fmt::format("a value must be a word or a text in quotes, and not {}", token.shown()));
      }
      if (token.is(Kind::kWord) && IsKeyword(token.written)) {
        return InvalidArgument(fmt::format(
            "a value is missing before {}; as a value it stands in quotes", token.shown()));
      }
      if (token.text.empty() && node->op != Op::kIs) {
        return InvalidArgument("every text begins with \"\"; 'exists' asks whether there is one");
      }
      MappingCondition::Wanted wanted;
      wanted.text = token.text;
      if (token.is(Kind::kWord)) {
        if (IsNumberOutOfRange(token.text)) {
          return InvalidArgument(fmt::format(
              "the number {} must be one that a 64-bit float holds: 0, or from 4.9e-324 to "
              "1.7e308, or less than 0 by as much; as a text it stands in quotes",
              token.shown()));
        }
        const MappingValue number =
            ConvertValue(NumberOf(token.text), MappingKind::kNumber, nullptr, nullptr);
        if (number.kind == MappingValue::Kind::kInteger) {
          wanted.number = static_cast<double>(number.integer);
        } else if (number.kind == MappingValue::Kind::kNumber) {
          wanted.number = number.number;
        }
      }
      node->wanted.push_back(std::move(wanted));
    } while (tokens_->TakeIf(Kind::kComma));
    return {};
  }

  static bool IsKeyword(std::string_view word) {
    constexpr std::string_view kWords[] = {"and", "or", "not", "is"};
    return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
  }
  std::string Next() const { return tokens_->next().shown(); }

  MappingTokens* tokens_;
  EventValues* values_;
};

Result<MappingCondition> MappingCondition::Parse(MappingTokens* tokens, EventValues* values) {
  MappingCondition condition;
  MappingConditionParser parser(tokens, values);
  if (Status status = parser.ParseOr(&condition, 0); !status.ok()) return status;
  return condition;
}

void MappingCondition::Negate() { nodes_.push_back({Op::kNot, nodes_.size() - 1, 0, {}}); }

bool MappingCondition::Holds(EventValues* values) const {
  return nodes_.empty() || HoldsAt(nodes_.size() - 1, values);
}

bool MappingCondition::HoldsAt(std::size_t at, EventValues* values) const {
  const Node& node = nodes_[at];
  switch (node.op) {
    case Op::kAnd:
      return HoldsAt(node.left, values) && HoldsAt(node.right, values);
    case Op::kOr:
      return HoldsAt(node.left, values) || HoldsAt(node.right, values);
    case Op::kNot:
      return !HoldsAt(node.left, values);
    case Op::kExists:
      return !values->Of(node.left).none();
    case Op::kTrue: {
      const MappingValue& value = values->Of(node.left);
      return value.kind == MappingValue::Kind::kBoolean && value.boolean;
    }
    case Op::kIs:
    case Op::kBeginsWith:
    case Op::kContains:
      break;
  }
  const MappingValue& value = values->Of(node.left);
  return std::any_of(node.wanted.begin(), node.wanted.end(),
                     [&](const Wanted& wanted) { return Matches(value, wanted, node.op); });
}

bool MappingCondition::Matches(const MappingValue& value, const Wanted& wanted, Op op) {
  using Kind = MappingValue::Kind;
  if (value.kind == Kind::kText) {
    if (op == Op::kIs) return value.text == wanted.text;
    if (op == Op::kBeginsWith) return value.text.starts_with(wanted.text);
    return value.text.find(wanted.text) != std::string_view::npos;
  }
  if (op != Op::kIs) return false;
  if (value.kind == Kind::kBoolean) return wanted.text == (value.boolean ? "true" : "false");
  if (!wanted.number) return false;
  if (value.kind == Kind::kInteger) return static_cast<double>(value.integer) == *wanted.number;
  return value.kind == Kind::kNumber && value.number == *wanted.number;
}

}  // namespace rivulet
