// The request parser: whole, in two pieces and byte by byte it comes to the same end, its spans
// stay inside the bytes, and nothing it accepts could be read in two ways.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "http/query.h"
#include "http/request_parser.h"

using rivulet::RequestParser;

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

struct End {
  RequestParser::Outcome outcome;
  int status;
  std::size_t head_bytes;
  bool operator==(const End&) const = default;
};

// Parses with growing prefixes, `step` bytes more each time.
End ParseInSteps(RequestParser* parser, std::string_view data, std::size_t step) {
  std::size_t given = 0;
  auto outcome = RequestParser::Outcome::kNeedMore;
  while (given < data.size() && outcome == RequestParser::Outcome::kNeedMore) {
    given = given + step < data.size() ? given + step : data.size();
    outcome = parser->Parse(data.substr(0, given));
  }
  using Outcome = RequestParser::Outcome;
  return {outcome, outcome == Outcome::kError ? parser->error_status() : 0,
          outcome == Outcome::kDone ? parser->head_bytes() : 0};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  RequestParser whole;
  const End end = ParseInSteps(&whole, data, size > 0 ? size : 1);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, size / 2 + 1}) {
    RequestParser parser;
    Require(ParseInSteps(&parser, data, step) == end);
  }
  if (end.outcome != RequestParser::Outcome::kDone) return 0;
  const auto& head = whole.head();
  Require(end.head_bytes <= size && end.head_bytes <= rivulet::kMaxHeadBytes);
  Require(!(head.chunked && head.has_length));
  Require(head.path.offset + head.path.size <= end.head_bytes);
  Require(head.query.offset + head.query.size <= end.head_bytes);
  for (std::size_t i = 0; i < head.field_count; ++i) {
    const std::string_view name = head.fields[i].name.In(data.data());
    const std::string_view value = head.fields[i].value.In(data.data());
    Require(!name.empty() && name.find_first_of(": \t\r\n") == std::string_view::npos);
    Require(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  }
  // The options of a request, as /mget reads them.
  const std::string_view query = head.query.In(data.data());
  for (const char* name : {"items", "separator", "queue", "format"}) {
    const auto value = rivulet::FindParameter(query, name);
    Require(!value || value->size() <= query.size());
  }
  return 0;
}
