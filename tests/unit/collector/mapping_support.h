// For the tests of mappings: an event as a line of JSON, and what a mapping makes of it.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "collector/mapping.h"

namespace rivulet {

inline Mapping MappingOf(std::string_view text) {
  auto mapping = Mapping::Parse(text, "test");
  REQUIRE_MESSAGE(mapping.ok(), mapping.status().message());
  return std::move(mapping).value();
}

/// The message, or "dropped".
inline std::string Apply(const Mapping& mapping, const Event& event) {
  std::string out = "before ";
  const bool made = mapping.Apply(event, &out) == Mapping::Made::kMessage;
  REQUIRE(out.substr(0, 7) == "before ");
  if (!made) REQUIRE(out.size() == 7);
  return made ? out.substr(7) : "dropped";
}

inline std::string Apply(std::string_view mapping, const Event& event) {
  return Apply(MappingOf(mapping), event);
}

/// An event with parameters, which it holds.
class EventWith {
 public:
  explicit EventWith(std::string_view parameters) : document_(std::make_unique<JsonDocument>()) {
    REQUIRE(document_->Parse(parameters).ok());
    event_.type = "impression";
    event_.parameters = &document_->root();
  }
  Event& event() { return event_; }

 private:
  std::unique_ptr<JsonDocument> document_;
  Event event_;
};

inline Event At(std::string_view location) {
  Event event;
  event.type = "page_view";
  event.location = location;
  return event;
}

}  // namespace rivulet
