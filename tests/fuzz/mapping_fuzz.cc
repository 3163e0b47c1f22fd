// Mappings: the input is a location, a newline, a JSON object of parameters, a newline, the
// mapping. No text does harm; what is refused is refused in one line that names the mapping; what
// is taken makes a line of JSON, the same each time.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "collector/mapping.h"

namespace {

using rivulet::Mapping;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "mapping_fuzz: %s\n", what);
  std::abort();
}

std::string_view TakeLine(std::string_view* rest) {
  const auto line = rest->substr(0, rest->find('\n'));
  rest->remove_prefix(std::min(line.size() + 1, rest->size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  rivulet::Event event;
  event.type = "page_view";
  event.location = TakeLine(&rest);
  event.referer = event.location;
  event.user_agent = event.location;
  static rivulet::JsonDocument parameters;
  const bool object =
      parameters.Parse(TakeLine(&rest), {.refuse_duplicate_keys = true, .require_object = true})
          .ok();
  if (object) event.parameters = &parameters.root();

  const auto mapping = Mapping::Parse(rest, "fuzz");
  if (!mapping.ok()) {
    const std::string message = mapping.status().message();
    Require(message.starts_with("fuzz:"), "an error without a place");
    Require(message.find('\n') == std::string::npos, "an error of two lines");
    Require(rivulet::IsValidUtf8(message), "an error that is not UTF-8");
    return 0;
  }
  std::string first;
  const auto made = mapping->Apply(event, &first);
  std::string second;
  Require(mapping->Apply(event, &second) == made && first == second,
          "another message the second time");
  Require((made == Mapping::Made::kDropped) == first.empty(), "dropped, with a message");
  if (made == Mapping::Made::kDropped) return 0;
  static rivulet::JsonDocument document;
  Require(document.Parse(first, {.refuse_duplicate_keys = false, .require_object = true}).ok(),
          "a message that does not parse");
  Require(first.find('\n') == std::string::npos, "a message of two lines");
  Require(first.size() <= Mapping::kMaxMessageBytes, "a message that is too long");
  return 0;
}
