// A mapping's text, line by line. The grammar stands in collector/mapping.cc.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "collector/json_measure.h"
#include "collector/mapping_program.h"

namespace rivulet {

namespace {

using Kind = MappingToken::Kind;
using Op = MappingStatement::Op;

constexpr std::size_t kMaxTextBytes = 64 * 1024;
constexpr std::size_t kMaxAssignments = 1000;
constexpr std::size_t kMaxBlocks = 8;

struct KindName {
  std::string_view name;
  MappingKind kind;
};
constexpr KindName kKinds[] = {{"text", MappingKind::kText},
                               {"number", MappingKind::kNumber},
                               {"integer", MappingKind::kInteger},
                               {"boolean", MappingKind::kBoolean},
                               {"json", MappingKind::kJson}};

std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates) {
  const std::string_view meant = NearestName(name, candidates);
  return meant.empty() ? std::string() : fmt::format("; did you mean '{}'?", meant);
}

bool LooksLikeNumber(const MappingToken& token) {
  return token.is(Kind::kWord) &&
         token.written.find_first_of("0123456789-+.") == 0;  // no source begins so
}

/// `"text"`, a number, true or false, as JSON.
Result<std::string> ParseLiteral(const MappingToken& token) {
  if (token.is(Kind::kText)) {
    std::string json;
    AppendJsonString(&json, token.text);
    return json;
  }
  if (token.is_word("true") || token.is_word("false")) return std::string(token.written);
  if (!LooksLikeNumber(token)) {
    return InvalidArgument(
        fmt::format("{} must be a text in quotes, a number, true or false", token.shown()));
  }
  JsonDocument document;
  if (!document.Parse(token.written).ok() || !document.root().IsNumber()) {
    return InvalidArgument(
        fmt::format("the number {} must be as in JSON, like 3, -0.5 or 1e6", token.shown()));
  }
  return std::string(token.written);
}

class MappingParser {
 public:
  Status ParseLine(std::string_view line, std::size_t number) {
    line_ = number;
    if (const std::size_t bad = FindControl(line); bad != std::string_view::npos) {
      return InvalidArgument(
          fmt::format("byte {} of the line is the control byte 0x{:02x}; only "
                      "tab and newline may stand in a mapping",
                      bad + 1, static_cast<unsigned char>(line[bad])));
    }
    if (const std::size_t bad = FindInvalidUtf8(line); bad != std::string_view::npos) {
      return InvalidArgument(
          fmt::format("byte {} of the line is not UTF-8; a mapping must be", bad + 1));
    }
    const auto tokens = CutMappingLine(line);
    if (!tokens.ok()) return tokens.status();
    if (tokens->front().is(Kind::kEnd)) return {};
    MappingTokens rest(*tokens);
    // A field may be called "end" or "drop".
    const bool assigns = tokens->size() > 2 && (*tokens)[1].is(Kind::kEquals);
    Status status = assigns ? ParseAssignment(&rest) : ParseWord(&rest);
    if (!status.ok()) return status;
    if (rest.next().is(Kind::kEnd)) return {};
    return InvalidArgument(fmt::format("the statement ends before {}", rest.next().shown()));
  }

  /// The line of the `when` that has no `end`; 0 when there is none.
  std::size_t open_line() const { return blocks_.back().line; }
  MappingProgram Take() { return std::move(program_); }

 private:
  struct Block {
    std::size_t line = 0;  // of its `when`; 0: the mapping itself
    std::size_t when = 0;
    std::map<std::size_t, std::size_t> lines;  // by slot: where it was set
  };

  static std::size_t FindControl(std::string_view line) {
    const auto bad = std::find_if(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    });
    return bad == line.end() ? std::string_view::npos
                             : static_cast<std::size_t>(bad - line.begin());
  }

  Status ParseWord(MappingTokens* rest) {
    const MappingToken word = rest->Take();
    if (word.is_word("when")) return ParseWhen(rest);
    if (word.is_word("end")) return ParseEnd();
    if (word.is_word("drop")) {
      if (rest->next().is(Kind::kEnd) && blocks_.size() == 1) {
        return InvalidArgument(
            "'drop' alone would drop every event; 'drop when CONDITION' is meant");
      }
      return ParseDrop(rest, false);
    }
    if (word.is_word("keep")) return ParseDrop(rest, true);
    const std::vector<std::string_view> words = {"when", "end", "drop", "keep"};
    return InvalidArgument(fmt::format(
        "a line must be FIELD = SOURCE, when CONDITION, end, drop when CONDITION or keep when "
        "CONDITION, and not begin with {} {}{}",
        word.shown(), rest->next().shown(), DidYouMean(word.written, words)));
  }

  Status ParseWhen(MappingTokens* rest) {
    if (blocks_.size() > kMaxBlocks) {
      return InvalidArgument(fmt::format("more than {} 'when' within each other", kMaxBlocks));
    }
    auto condition = MappingCondition::Parse(rest, &program_.values);
    if (!condition.ok()) return condition.status();
    MappingStatement when;
    when.op = Op::kWhen;
    when.condition = std::move(*condition);
    blocks_.push_back({line_, program_.statements.size(), {}});
    program_.statements.push_back(std::move(when));
    return {};
  }

  Status ParseEnd() {
    if (blocks_.size() == 1) return InvalidArgument("this 'end' has no 'when'");
    program_.statements[blocks_.back().when].next = program_.statements.size();
    blocks_.pop_back();
    return {};
  }

  Status ParseDrop(MappingTokens* rest, bool unless) {
    MappingStatement drop;
    drop.op = Op::kDrop;
    if (unless || !rest->next().is(Kind::kEnd)) {
      if (!rest->TakeIf("when")) {
        return InvalidArgument(fmt::format("behind '{}' stands 'when CONDITION', and not {}",
                                           unless ? "keep" : "drop", rest->next().shown()));
      }
      auto condition = MappingCondition::Parse(rest, &program_.values);
      if (!condition.ok()) return condition.status();
      drop.condition = std::move(*condition);
      if (unless) drop.condition.Negate();
    }
    program_.statements.push_back(std::move(drop));
    return {};
  }

  Status ParseAssignment(MappingTokens* rest) {
    const MappingToken field = rest->Take();
    rest->Take();  // =
    if (++assignments_ > kMaxAssignments) {
      return InvalidArgument(fmt::format("more than {} fields in a mapping", kMaxAssignments));
    }
    const auto slot = program_.fields.Add(field.is(Kind::kText) ? "" : field.written, line_);
    if (!slot.ok()) return slot.status();
    const auto [set, first] = blocks_.back().lines.emplace(*slot, line_);
    if (!first) {
      return InvalidArgument(
          fmt::format("the field {} is set in line {} too; which of them is meant?", field.shown(),
                      set->second));
    }
    MappingStatement assignment;
    assignment.slot = *slot;
    if (Status status = ParseRight(rest, &assignment); !status.ok()) return status;
    program_.statements.push_back(std::move(assignment));
    return {};
  }

  Status ParseRight(MappingTokens* rest, MappingStatement* assignment) {
    const MappingToken right = rest->Take();
    if (right.is(Kind::kText) || right.is_word("true") || right.is_word("false") ||
        LooksLikeNumber(right)) {
      auto literal = ParseLiteral(right);
      if (!literal.ok()) return literal.status();
      assignment->literal = std::move(*literal);
      return {};
    }
    if (!right.is(Kind::kWord)) {
      return InvalidArgument(
          fmt::format("behind '=' stands a source or a value, and not {}", right.shown()));
    }
    const auto source = ParseMappingSource(right.written);
    if (!source.ok()) {
      return InvalidArgument(source.status().message() + " (a text stands in quotes)");
    }
    assignment->source = program_.values.Add(*source);
    if (rest->TakeIf("as")) {
      if (Status status = ParseKind(rest->Take(), assignment); !status.ok()) return status;
    }
    if (rest->TakeIf("or")) {
      auto literal = ParseLiteral(rest->Take());
      if (!literal.ok()) return literal.status();
      assignment->literal = std::move(*literal);
      if (rest->TakeIf("or")) {
        return InvalidArgument("behind 'or' stands one value alone, and no second 'or'");
      }
    }
    return {};
  }

  static Status ParseKind(const MappingToken& token, MappingStatement* assignment) {
    std::vector<std::string_view> names;
    for (const KindName& known : kKinds) {
      if (token.is_word(known.name)) {
        assignment->kind = known.kind;
        return {};
      }
      names.push_back(known.name);
    }
    return InvalidArgument(
        fmt::format("behind 'as' stands text, number, integer, boolean or json, and not {}{}",
                    token.shown(), DidYouMean(token.written, names)));
  }

  MappingProgram program_;
  std::vector<Block> blocks_ = std::vector<Block>(1);
  std::size_t line_ = 0;
  std::size_t assignments_ = 0;
};

}  // namespace

Result<MappingProgram> ParseMappingProgram(std::string_view text, std::string_view name) {
  const auto at = [name](std::size_t line, std::string_view what) {
    return InvalidArgument(fmt::format("{}:{}: {}", name, line, what));
  };
  if (text.size() > kMaxTextBytes) {
    return InvalidArgument(fmt::format("{}: a mapping must be at most {} bytes, and not {}", name,
                                       kMaxTextBytes, text.size()));
  }
  // What some editors write before the text.
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  MappingParser parser;
  std::size_t line = 0;
  while (!text.empty()) {
    std::string_view statement = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(statement.size() + 1, text.size()));
    if (statement.ends_with('\r')) statement.remove_suffix(1);
    const Status status = parser.ParseLine(statement, ++line);
    if (!status.ok()) return at(line, status.message());
  }
  if (parser.open_line() != 0) return at(parser.open_line(), "this 'when' has no 'end'");
  MappingProgram program = parser.Take();
  if (program.fields.slots() == 0) {
    return at(line, "the mapping sets no field; 'type = type' would be one");
  }
  return program;
}

}  // namespace rivulet
