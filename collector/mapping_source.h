// What stands on the right of a mapping's statements: the sources, by name, and their values of an
// event.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "collector/event.h"
#include "collector/mapping_value.h"
#include "collector/url_parts.h"

namespace rivulet {

struct MappingSource {
  enum class Base : unsigned char {
    kType,
    kParty,
    kSession,
    kPage,
    kId,
    kUserAgent,
    kRemote,
    kTime,
    kTimeIso,
    kClientTime,
    kViewportWidth,  // this and the next three: none when unknown
    kViewportHeight,
    kScreenWidth,
    kScreenHeight,
    kBot,
    kDuplicate,
    kParameters,
    kParameter,  // with a name
    kLocation,   // this and the next: with a part
    kReferer,
  };
  enum class Part : unsigned char {
    kWhole,
    kScheme,
    kHost,
    kPort,
    kPath,
    kSegment,
    kQuery,
    kQueryValue,
    kFragment,
    kFragmentPath,
    kFragmentSegment,
    kFragmentQuery,
    kFragmentQueryValue,
  };

  Base base = Base::kType;
  Part part = Part::kWhole;
  std::size_t segment = 0;  // kSegment, kFragmentSegment: from 1
  std::string name;         // kParameter, kQueryValue, kFragmentQueryValue

  bool operator==(const MappingSource&) const = default;
  /// It can be a condition by itself.
  bool may_be_boolean() const;
};

/// "location.query.source". Errors name it and what it could have been, without file and line.
Result<MappingSource> ParseMappingSource(std::string_view written);

/// The values of one event, each looked for once. Sources are known by the number that Add() gave.
class EventValues {
 public:
  std::size_t Add(const MappingSource& source);
  /// `event` is borrowed until the next Begin().
  void Begin(const Event& event);
  const MappingValue& Of(std::size_t source);
  MappingValue As(std::size_t source, MappingKind kind);

 private:
  struct Known {
    std::uint64_t event = 0;  // the number of the event that the value is of
    MappingValue value;
  };
  struct Url {
    bool cut = false;
    bool fragment_cut = false;
    UrlParts parts;
    UrlParts fragment;
  };

  MappingValue Find(const MappingSource& source);
  MappingValue FindUrl(const MappingSource& source, std::string_view text, Url* url);
  MappingValue Decoded(std::optional<std::string_view> text, bool plus_is_space);
  MappingValue LowerCase(std::string_view text);

  const Event* event_ = nullptr;
  std::uint64_t number_ = 0;
  std::vector<MappingSource> sources_;
  std::vector<Known> known_;
  std::array<Url, 2> urls_;  // location, referer
  MappingTexts texts_;
  JsonDocument document_;  // of texts that are to be JSON
};

}  // namespace rivulet
