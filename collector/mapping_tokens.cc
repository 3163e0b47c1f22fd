#include "collector/mapping_tokens.h"

#include <fmt/format.h>

#include "base/json.h"
#include "collector/json_measure.h"

namespace rivulet {

namespace {

using Kind = MappingToken::Kind;

constexpr std::string_view kBlank = " \t";
constexpr std::string_view kWordEnds = " \t\"#=,()";

/// Where the text ends that begins with the quote at `at`: behind its closing quote, or npos.
std::size_t EndOfText(std::string_view line, std::size_t at) {
  for (++at; at < line.size(); ++at) {
    if (line[at] == '"') return at + 1;
    if (line[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

Kind KindOfMark(char c) {
  switch (c) {
    case '=':
      return Kind::kEquals;
    case ',':
      return Kind::kComma;
    case '(':
      return Kind::kOpen;
    default:
      return Kind::kClose;
  }
}

}  // namespace

std::string MappingToken::shown() const {
  return kind == Kind::kEnd ? "the line's end" : ShownText(written);
}

Result<std::vector<MappingToken>> CutMappingLine(std::string_view line) {
  std::vector<MappingToken> tokens;
  JsonDocument document;
  std::size_t at = line.find_first_not_of(kBlank);
  while (at != std::string_view::npos && line[at] != '#') {
    MappingToken token;
    std::size_t end = at + 1;
    if (line[at] == '"') {
      end = EndOfText(line, at);
      if (end == std::string_view::npos) {
        return InvalidArgument(
            fmt::format("the text {} has no closing '\"'", ShownText(line.substr(at))));
      }
      token.kind = Kind::kText;
      token.written = line.substr(at, end - at);
      if (!document.Parse(token.written).ok()) {
        return InvalidArgument(
            fmt::format("the text {} must be as in JSON: \\\" \\\\ \\n \\t \\u00e9 for what cannot "
                        "stand in it",
                        ShownText(token.written)));
      }
      token.text = JsonText(document.root());
    } else if (kWordEnds.find(line[at]) == std::string_view::npos) {
      end = std::min(line.find_first_of(kWordEnds, at), line.size());
      token.kind = Kind::kWord;
      token.written = line.substr(at, end - at);
      token.text = token.written;
    } else {
      token.kind = KindOfMark(line[at]);
      token.written = line.substr(at, 1);
    }
    tokens.push_back(std::move(token));
    at = line.find_first_not_of(kBlank, end);
  }
  tokens.emplace_back();
  return tokens;
}

}  // namespace rivulet
