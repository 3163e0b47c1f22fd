// The names of collector/mapping_source.h.
#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "base/units.h"
#include "collector/json_measure.h"
#include "collector/mapping_source.h"

namespace rivulet {

namespace {

using Base = MappingSource::Base;
using Part = MappingSource::Part;

constexpr std::size_t kMaxSegment = 100;

struct BaseName {
  std::string_view name;
  Base base;
};

constexpr BaseName kBases[] = {
    {"type", Base::kType},
    {"party", Base::kParty},
    {"session", Base::kSession},
    {"page", Base::kPage},
    {"id", Base::kId},
    {"user_agent", Base::kUserAgent},
    {"remote", Base::kRemote},
    {"time", Base::kTime},
    {"time.iso", Base::kTimeIso},
    {"client_time", Base::kClientTime},
    {"viewport.width", Base::kViewportWidth},
    {"viewport.height", Base::kViewportHeight},
    {"screen.width", Base::kScreenWidth},
    {"screen.height", Base::kScreenHeight},
    {"bot", Base::kBot},
    {"duplicate", Base::kDuplicate},
    {"param", Base::kParameters},
    {"location", Base::kLocation},
    {"referer", Base::kReferer},
};

struct PartName {
  std::string_view name;
  Part part;
};

constexpr PartName kParts[] = {
    {"scheme", Part::kScheme},
    {"host", Part::kHost},
    {"port", Part::kPort},
    {"path", Part::kPath},
    {"query", Part::kQuery},
    {"fragment", Part::kFragment},
    {"fragment.path", Part::kFragmentPath},
    {"fragment.query", Part::kFragmentQuery},
};

/// What may follow "path." and "query.".
constexpr std::pair<std::string_view, Part> kSegments[] = {
    {"path.", Part::kSegment}, {"fragment.path.", Part::kFragmentSegment}};
constexpr std::pair<std::string_view, Part> kQueryValues[] = {
    {"query.", Part::kQueryValue}, {"fragment.query.", Part::kFragmentQueryValue}};

Status Unknown(std::string_view written, std::string_view prefix,
               const std::vector<std::string_view>& candidates) {
  const std::string_view sought = written.substr(prefix.size());
  const std::string_view meant = NearestName(sought, candidates);
  if (!meant.empty()) {
    return InvalidArgument(
        fmt::format("unknown source {}; did you mean '{}{}'?", ShownText(written), prefix, meant));
  }
  return InvalidArgument(
      fmt::format("unknown source {}; {}{}", ShownText(written),
                  prefix.empty() ? "must be one of " : "behind the point stands ",
                  fmt::join(candidates, ", ")));
}

Result<MappingSource> ParsePart(std::string_view written, std::string_view prefix,
                                MappingSource source) {
  const std::string_view part = written.substr(prefix.size());
  for (const PartName& known : kParts) {
    if (part == known.name) {
      source.part = known.part;
      return source;
    }
  }
  for (const auto& [name, known] : kSegments) {
    if (!part.starts_with(name)) continue;
    const auto number = ParseUint(part.substr(name.size()));
    if (!number.ok() || *number < 1 || *number > kMaxSegment) {
      return InvalidArgument(
          fmt::format("{}: behind 'path.' stands the number of a segment, 1 to {}",
                      ShownText(written), kMaxSegment));
    }
    source.part = known;
    source.segment = static_cast<std::size_t>(*number);
    return source;
  }
  for (const auto& [name, known] : kQueryValues) {
    if (!part.starts_with(name)) continue;
    source.part = known;
    source.name = part.substr(name.size());
    if (!source.name.empty()) return source;
    return InvalidArgument(
        fmt::format("{}: behind 'query.' stands the name of a parameter", ShownText(written)));
  }
  std::vector<std::string_view> candidates;
  for (const PartName& known : kParts) candidates.push_back(known.name);
  return Unknown(written, prefix, candidates);
}

}  // namespace

bool MappingSource::may_be_boolean() const {
  return base == Base::kBot || base == Base::kDuplicate || base == Base::kParameter;
}

Result<MappingSource> ParseMappingSource(std::string_view written) {
  MappingSource source;
  for (const BaseName& known : kBases) {
    if (written == known.name) {
      source.base = known.base;
      return source;
    }
  }
  constexpr std::string_view kParameter = "param.";
  if (written.starts_with(kParameter)) {
    source.base = Base::kParameter;
    source.name = written.substr(kParameter.size());
    const bool holes = source.name.empty() || source.name.front() == '.' ||
                       source.name.back() == '.' || source.name.find("..") != std::string::npos;
    if (!holes) return source;
    return InvalidArgument(fmt::format(
        "{}: behind 'param.' stands the name of a parameter, and behind each point another",
        ShownText(written)));
  }
  for (const auto& [prefix, base] :
       {std::pair<std::string_view, Base>{"location.", Base::kLocation},
        {"referer.", Base::kReferer}}) {
    if (!written.starts_with(prefix)) continue;
    source.base = base;
    return ParsePart(written, prefix, std::move(source));
  }
  std::vector<std::string_view> candidates;
  for (const BaseName& known : kBases) candidates.push_back(known.name);
  // "locaton.path.2": its first word is what to look at.
  const std::size_t dot = written.find('.');
  for (const std::string_view parent : {"location", "referer", "param"}) {
    if (dot == std::string_view::npos || EditDistance(written.substr(0, dot), parent) > 2) continue;
    return InvalidArgument(fmt::format("unknown source {}; did you mean '{}{}'?",
                                       ShownText(written), parent, written.substr(dot)));
  }
  return Unknown(written, "", candidates);
}

}  // namespace rivulet
