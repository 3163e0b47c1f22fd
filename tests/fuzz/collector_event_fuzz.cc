// Events as strangers send them: the input is a body, and a query. Whatever it is, what is taken
// makes a line of JSON, and what is refused says why in printable text.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "collector/event_reader.h"
#include "collector/mapping.h"

namespace {

using rivulet::Mapping;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "collector_event_fuzz: %s\n", what);
  std::abort();
}

void RequireId(std::string_view text, const char* what) {
  for (const char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-' || c == ':';
    Require(good, what);
  }
  Require(text.size() <= 64, what);
}

void Check(rivulet::EventReader* reader) {
  static const Mapping mapping = Mapping::Everything();
  static rivulet::JsonDocument document;
  const rivulet::JsonLimits strict{.refuse_duplicate_keys = true, .require_object = true};
  std::string message;
  for (const rivulet::Event& event : reader->events()) {
    Require(!event.type.empty(), "an event without a type");
    RequireId(event.type, "a type that is none");
    RequireId(event.party, "a party that is none");
    RequireId(event.id, "an id that is none");
    message.clear();
    Require(mapping.Apply(event, &message) == Mapping::Made::kMessage, "dropped");
    Require(document.Parse(message, strict).ok(), "a message that does not parse");
    Require(message.find('\n') == std::string::npos, "a message of two lines");
    Require(message.size() <= Mapping::kMaxMessageBytes, "a message that is too long");
  }
  for (const auto& refused : reader->refused()) {
    Require(!refused.reason.empty() && refused.reason.size() < 512, "a reason that is none");
    for (const char c : refused.reason) {
      Require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a control byte in a reason");
    }
    Require(rivulet::IsValidUtf8(refused.reason), "a reason that is not UTF-8");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static rivulet::EventReader reader;
  rivulet::EventSender sender;
  sender.user_agent = text;
  sender.location = text;
  sender.trusted = size % 2 == 0;
  const bool read = reader.ReadBody(text, sender).ok();
  Require(read || (reader.events().empty() && reader.refused().empty()), "events of no body");
  Check(&reader);
  reader.ReadQuery(text, sender);
  Require(reader.events().size() + reader.refused().size() == 1, "a query is not one event");
  Check(&reader);
  return 0;
}
