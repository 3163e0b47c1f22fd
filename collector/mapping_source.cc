#include "collector/mapping_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace rivulet {

namespace {

using Base = MappingSource::Base;
using Part = MappingSource::Part;

MappingValue TextUnlessEmpty(std::string_view text) {
  return text.empty() ? MappingValue() : MappingValue::Text(text);
}

MappingValue Unless0(std::int64_t number) {
  return number == 0 ? MappingValue() : MappingValue::Integer(number);
}

std::int64_t Milliseconds(WallTime at) {
  return std::chrono::floor<std::chrono::milliseconds>(at).time_since_epoch().count();
}

/// "2026-11-21T04:50:00.123Z"
void AppendIso(std::string* out, WallTime at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::milliseconds>(at - day));
  fmt::format_to(std::back_inserter(*out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                 int{date.year()}, unsigned{date.month()}, unsigned{date.day()},
                 time.hours().count(), time.minutes().count(), time.seconds().count(),
                 time.subseconds().count());
}

MappingValue PortOf(std::string_view port) {
  const MappingValue number = NumberOf(port);
  if (number.kind != MappingValue::Kind::kInteger) return {};
  return number.integer < 1 || number.integer > 65535 ? MappingValue() : number;
}

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

}  // namespace

std::size_t EventValues::Add(const MappingSource& source) {
  const auto held = std::find(sources_.begin(), sources_.end(), source);
  if (held != sources_.end()) return static_cast<std::size_t>(held - sources_.begin());
  sources_.push_back(source);
  known_.emplace_back();
  return sources_.size() - 1;
}

void EventValues::Begin(const Event& event) {
  event_ = &event;
  ++number_;
  for (Url& url : urls_) url.cut = url.fragment_cut = false;
  texts_.Clear();
}

const MappingValue& EventValues::Of(std::size_t source) {
  Known& known = known_[source];
  if (known.event != number_) {
    known.value = Find(sources_[source]);
    known.event = number_;
  }
  return known.value;
}

MappingValue EventValues::As(std::size_t source, MappingKind kind) {
  const MappingValue& value = Of(source);
  return kind == MappingKind::kAsIs ? value : ConvertValue(value, kind, &texts_, &document_);
}

MappingValue EventValues::Find(const MappingSource& source) {
  const Event& event = *event_;
  switch (source.base) {
    case Base::kType:
      return TextUnlessEmpty(event.type);
    case Base::kParty:
      return TextUnlessEmpty(event.party);
    case Base::kSession:
      return TextUnlessEmpty(event.session);
    case Base::kPage:
      return TextUnlessEmpty(event.page);
    case Base::kId:
      return TextUnlessEmpty(event.id);
    case Base::kUserAgent:
      return TextUnlessEmpty(event.user_agent);
    case Base::kRemote:
      return TextUnlessEmpty(event.remote);
    case Base::kTime:
      return MappingValue::Integer(Milliseconds(event.at));
    case Base::kTimeIso: {
      std::string* text = texts_.New();
      AppendIso(text, event.at);
      return MappingValue::Text(*text);
    }
    case Base::kClientTime:
      return Unless0(event.client_time_ms);
    case Base::kViewportWidth:
      return Unless0(event.viewport_width);
    case Base::kViewportHeight:
      return Unless0(event.viewport_height);
    case Base::kScreenWidth:
      return Unless0(event.screen_width);
    case Base::kScreenHeight:
      return Unless0(event.screen_height);
    case Base::kBot:
      return MappingValue::Boolean(event.bot);
    case Base::kDuplicate:
      return MappingValue::Boolean(event.duplicate);
    case Base::kParameters:
      return event.parameters == nullptr ? MappingValue() : MappingValue::Of(*event.parameters);
    case Base::kParameter: {
      if (event.parameters == nullptr) return {};
      const JsonValue* found = FindPath(*event.parameters, source.name);
      return found == nullptr ? MappingValue() : MappingValue::Of(*found);
    }
    case Base::kLocation:
      return FindUrl(source, event.location, &urls_[0]);
    case Base::kReferer:
      return FindUrl(source, event.referer, &urls_[1]);
  }
  return {};
}

MappingValue EventValues::FindUrl(const MappingSource& source, std::string_view text, Url* url) {
  if (source.part == Part::kWhole || text.empty()) return TextUnlessEmpty(text);
  if (!url->cut) {
    url->parts = CutUrl(text);
    url->cut = true;
  }
  const UrlParts& parts = url->parts;
  if (source.part >= Part::kFragmentPath && !url->fragment_cut) {
    // What stands before a "?" there is a path, whatever it looks like: no scheme, no host.
    url->fragment = {};
    std::string_view rest = parts.fragment.substr(0, parts.fragment.find('#'));
    url->fragment.path = rest.substr(0, rest.find('?'));
    rest.remove_prefix(url->fragment.path.size());
    if (!rest.empty()) url->fragment.query = rest.substr(1);
    url->fragment_cut = true;
  }
  switch (source.part) {
    case Part::kWhole:
      return MappingValue::Text(text);
    case Part::kScheme:
      return LowerCase(parts.scheme);
    case Part::kHost:
      return LowerCase(parts.host);
    case Part::kPort:
      return PortOf(parts.port);
    case Part::kPath:
      return TextUnlessEmpty(parts.path);
    case Part::kSegment:
      return Decoded(PathSegment(parts.path, source.segment), false);
    case Part::kQuery:
      return TextUnlessEmpty(parts.query);
    case Part::kQueryValue:
      return Decoded(QueryValue(parts.query, source.name), true);
    case Part::kFragment:
      return TextUnlessEmpty(parts.fragment);
    case Part::kFragmentPath:
      return TextUnlessEmpty(url->fragment.path);
    case Part::kFragmentSegment:
      return Decoded(PathSegment(url->fragment.path, source.segment), false);
    case Part::kFragmentQuery:
      return TextUnlessEmpty(url->fragment.query);
    case Part::kFragmentQueryValue:
      return Decoded(QueryValue(url->fragment.query, source.name), true);
  }
  return {};
}

MappingValue EventValues::Decoded(std::optional<std::string_view> text, bool plus_is_space) {
  if (!text) return {};
  if (text->find_first_of("%+") == std::string_view::npos) return MappingValue::Text(*text);
  return MappingValue::Text(DecodePercent(*text, plus_is_space, texts_.New()));
}

MappingValue EventValues::LowerCase(std::string_view text) {
  if (text.empty()) return {};
  if (std::none_of(text.begin(), text.end(), IsUpper)) return MappingValue::Text(text);
  std::string* lower = texts_.New();
  for (const char c : text) lower->push_back(IsUpper(c) ? static_cast<char>(c - 'A' + 'a') : c);
  return MappingValue::Text(*lower);
}

}  // namespace rivulet
