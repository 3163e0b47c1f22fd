#include "collector/event_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/json.h"
#include "collector/json_measure.h"
#include "http/query.h"

namespace rivulet {

namespace {

constexpr std::size_t kMaxIdBytes = 64;
constexpr std::int64_t kMaxPixels = 99999;
constexpr std::int64_t kMaxClientMilliseconds = 253402300799999;  // the end of the year 9999
constexpr std::int64_t kMaxMilliseconds = 9223372036854;          // of a WallTime: 2262

enum Key : std::size_t {
  kType,
  kParty,
  kSession,
  kPage,
  kId,
  kLocation,
  kReferer,
  kViewport,
  kScreen,
  kClientTime,
  kParameters,
  kAt,
  kUserAgent,
  kRemote,
  kKeys,
};

struct KeyName {
  std::string_view wire;
  std::string_view name;  // for messages
};
constexpr std::array<KeyName, kKeys> kNames = {{{"t", "type"},
                                                {"p", "party"},
                                                {"s", "session"},
                                                {"v", "page view"},
                                                {"i", "event id"},
                                                {"l", "location"},
                                                {"r", "referer"},
                                                {"w", "viewport"},
                                                {"c", "screen"},
                                                {"u", "client time"},
                                                {"d", "parameters"},
                                                {"at", "time"},
                                                {"ua", "user agent"},
                                                {"remote", "remote address"}}};

std::optional<Key> KeyOf(std::string_view wire) {
  if (wire.empty() || wire.size() > 6) return std::nullopt;
  for (std::size_t key = 0; key < kKeys; ++key) {
    if (kNames[key].wire == wire) return static_cast<Key>(key);
  }
  return std::nullopt;
}

/// What was said under a key: in JSON a value, in a query a text.
struct Said {
  bool here = false;
  const JsonValue* value = nullptr;  // of JSON, but a string
  std::string_view text;
};
using SaidAll = std::array<Said, kKeys>;

bool IsIdText(std::string_view text, bool colon) {
  return std::all_of(text.begin(), text.end(), [colon](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || (colon && c == ':');
  });
}

std::optional<std::int64_t> WholeNumber(std::string_view text, std::int64_t max) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || number < 0 || number > max) return std::nullopt;
  return number;
}

std::string Shown(const Said& said) {
  if (said.value == nullptr) return ShownText(said.text);
  if (said.value->IsObject()) return "an object";
  if (said.value->IsArray()) return "an array";
  std::string json;
  AppendJson(&json, *said.value);
  return ShownText(json);
}

/// "type 'a b' must be 1 to 64 of …"
std::string Wrong(Key key, const Said& said, std::string_view right) {
  return fmt::format("{} ({}) {} must be {}", kNames[key].name, kNames[key].wire, Shown(said),
                     right);
}

/// Turns what was said into an event; stops at the first thing that is wrong.
class EventMaker {
 public:
  EventMaker(const EventLimits& limits, const EventSender& sender)
      : limits_(limits), sender_(sender) {}

  /// Empty when the event is good, else why it is not.
  std::string Make(const SaidAll& said, Event* event, JsonDocument* parameters) {
    *event = Event();
    event->user_agent = sender_.user_agent;
    event->remote = sender_.remote;
    event->at = sender_.at;
    if (sender_.location.size() <= limits_.max_url_bytes) event->location = sender_.location;
    TakeType(said);
    TakeIds(said, event);
    TakeUrl(kLocation, said, &event->location);
    TakeUrl(kReferer, said, &event->referer);
    TakePixels(kViewport, said, &event->viewport_width, &event->viewport_height);
    TakePixels(kScreen, said, &event->screen_width, &event->screen_height);
    TakeTime(kClientTime, said, kMaxClientMilliseconds, &event->client_time_ms);
    TakeParameters(said, event, parameters);
    if (sender_.trusted) TakeTrusted(said, event);
    event->type = said[kType].text;
    event->user_agent = CutText(event->user_agent, limits_.max_user_agent_bytes);
    return std::move(wrong_);
  }

 private:
  void Refuse(Key key, const Said& said, std::string_view right) {
    if (wrong_.empty()) wrong_ = Wrong(key, said, right);
  }

  void TakeType(const SaidAll& said) {
    const Said& type = said[kType];
    if (!type.here) {
      if (wrong_.empty()) wrong_ = "type (t) is missing: 1 to 64 of A-Z a-z 0-9 . _ -";
    } else if (type.value != nullptr || type.text.size() > kMaxIdBytes ||
               !IsIdText(type.text, false)) {
      Refuse(kType, type, "1 to 64 of A-Z a-z 0-9 . _ -");
    }
  }

  void TakeId(Key key, const SaidAll& said, std::string_view* id) {
    if (!said[key].here) return;
    if (said[key].value != nullptr || said[key].text.size() > kMaxIdBytes ||
        !IsIdText(said[key].text, true)) {
      return Refuse(key, said[key], "at most 64 of A-Z a-z 0-9 : . _ -");
    }
    *id = said[key].text;
  }

  void TakeIds(const SaidAll& said, Event* event) {
    TakeId(kParty, said, &event->party);
    TakeId(kSession, said, &event->session);
    TakeId(kPage, said, &event->page);
    TakeId(kId, said, &event->id);
  }

  void TakeUrl(Key key, const SaidAll& said, std::string_view* url) {
    if (!said[key].here) return;
    if (said[key].value != nullptr || said[key].text.size() > limits_.max_url_bytes) {
      return Refuse(key, said[key],
                    fmt::format("a URL of at most {} bytes", limits_.max_url_bytes));
    }
    *url = said[key].text;
  }

  void TakePixels(Key key, const SaidAll& said, std::int64_t* width, std::int64_t* height) {
    if (!said[key].here) return;
    const std::string_view text = said[key].text;
    const std::size_t by = text.find('x');
    if (said[key].value == nullptr && by != std::string_view::npos) {
      const auto wide = WholeNumber(text.substr(0, by), kMaxPixels);
      const auto high = WholeNumber(text.substr(by + 1), kMaxPixels);
      if (wide && high) {
        *width = *wide;
        *height = *high;
        return;
      }
    }
    Refuse(key, said[key], fmt::format("WIDTHxHEIGHT, like 1280x720, each at most {}", kMaxPixels));
  }

  void TakeTime(Key key, const SaidAll& said, std::int64_t max, std::int64_t* milliseconds) {
    const Said& time = said[key];
    if (!time.here) return;
    std::optional<std::int64_t> number;
    if (time.value == nullptr) {
      number = WholeNumber(time.text, max);
    } else if (time.value->IsNumber()) {
      const double value = time.value->GetDouble();
      if (value >= 0 && value <= static_cast<double>(max) && std::trunc(value) == value) {
        number = static_cast<std::int64_t>(value);
      }
    }
    if (!number) {
      return Refuse(key, time,
                    fmt::format("a whole number of milliseconds since 1970, at most {}", max));
    }
    *milliseconds = *number;
  }

  void TakeParameters(const SaidAll& said, Event* event, JsonDocument* document) {
    const Said& parameters = said[kParameters];
    if (!parameters.here) return;
    const JsonValue* object = parameters.value;
    if (object == nullptr) {
      // A query has the text of an object, which is larger than what it says.
      if (document == nullptr) return Refuse(kParameters, parameters, "an object");
      if (parameters.text.size() > 4 * limits_.max_parameters_bytes)
        return RefuseSize(parameters.text.size());
      if (!document->Parse(parameters.text).ok()) {
        return Refuse(kParameters, parameters, "a JSON object");
      }
      object = &document->root();
    }
    if (!object->IsObject()) return Refuse(kParameters, parameters, "a JSON object");
    if (object->ObjectEmpty()) return;
    const JsonMeasure measure = MeasureJson(*object, limits_.max_parameters_depth);
    if (measure.bytes > limits_.max_parameters_bytes) return RefuseSize(measure.bytes);
    if (measure.members > limits_.max_parameters_members) {
      return RefuseText(fmt::format("parameters (d) of {} members must be of at most {}",
                                    measure.members, limits_.max_parameters_members));
    }
    if (measure.depth > limits_.max_parameters_depth) {
      return RefuseText(fmt::format("parameters (d) must be at most {} levels deep",
                                    limits_.max_parameters_depth));
    }
    if (const auto key = RepeatedKey(*object)) {
      return RefuseText(fmt::format("parameters (d) have the key {} twice; once would be right",
                                    ShownText(*key)));
    }
    event->parameters = object;
  }

  void RefuseSize(std::size_t bytes) {
    RefuseText(fmt::format("parameters (d) of {} bytes must be of at most {}", bytes,
                           limits_.max_parameters_bytes));
  }
  void RefuseText(std::string text) {
    if (wrong_.empty()) wrong_ = std::move(text);
  }

  void TakeTrusted(const SaidAll& said, Event* event) {
    if (said[kAt].here) {
      std::int64_t milliseconds = 0;
      TakeTime(kAt, said, kMaxMilliseconds, &milliseconds);
      event->at = WallTime(std::chrono::milliseconds(milliseconds));
    }
    if (said[kUserAgent].here) {
      if (said[kUserAgent].value != nullptr) Refuse(kUserAgent, said[kUserAgent], "a text");
      event->user_agent = said[kUserAgent].text;
    }
    TakeId(kRemote, said, &event->remote);
  }

  static std::string_view CutText(std::string_view text, std::size_t max_bytes) {
    if (text.size() <= max_bytes) return text;
    std::size_t end = max_bytes;
    while (end > 0 && max_bytes - end < 3 &&
           (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
      --end;
    }
    return text.substr(0, end);
  }

  const EventLimits& limits_;
  const EventSender& sender_;
  std::string wrong_;
};

}  // namespace

struct EventReader::Impl {
  explicit Impl(EventLimits event_limits) : limits(event_limits) {}

  void Clear() {
    events.clear();
    refused.clear();
  }

  void Take(const SaidAll& said, std::size_t index, const EventSender& sender,
            JsonDocument* query_parameters) {
    Event event;
    std::string wrong = EventMaker(limits, sender).Make(said, &event, query_parameters);
    if (wrong.empty()) {
      events.push_back(event);
    } else {
      refused.push_back({index, std::move(wrong)});
    }
  }

  void TakeJson(const JsonValue& value, std::size_t index, const EventSender& sender) {
    if (!value.IsObject()) {
      refused.push_back({index, "an event must be a JSON object"});
      return;
    }
    SaidAll all;
    for (const auto& member : value.GetObject()) {
      const auto key = KeyOf(JsonText(member.name));
      if (!key || all[*key].here || member.value.IsNull()) continue;
      Said& said = all[*key];
      if (member.value.IsString()) {
        said.text = JsonText(member.value);
        said.here = !said.text.empty();
      } else {
        said.value = &member.value;
        said.here = true;
      }
    }
    Take(all, index, sender, nullptr);
  }

  EventLimits limits;
  JsonDocument document;
  std::array<std::string, kKeys> decoded;  // of a query
  std::vector<Event> events;
  std::vector<RefusedEvent> refused;
};

EventReader::EventReader(EventLimits limits) : impl_(std::make_unique<Impl>(limits)) {}
EventReader::~EventReader() = default;
EventReader::EventReader(EventReader&&) noexcept = default;
EventReader& EventReader::operator=(EventReader&&) noexcept = default;

Status EventReader::ReadBody(std::string_view body, const EventSender& sender) {
  impl_->Clear();
  JsonLimits limits;
  // Room for what may be sent, and for as much that is not known.
  limits.max_values =
      impl_->limits.max_events * (impl_->limits.max_parameters_bytes / 8 + 2 * kKeys) + 1;
  if (Status status = impl_->document.Parse(body, limits); !status.ok()) return status;
  const JsonValue& root = impl_->document.root();
  if (root.IsObject()) {
    impl_->TakeJson(root, 0, sender);
    return {};
  }
  if (!root.IsArray() || root.Empty()) {
    return InvalidArgument("the body must be an event as a JSON object, or an array of events");
  }
  if (root.Size() > impl_->limits.max_events) {
    return {StatusCode::kTooLarge, fmt::format("a batch of {} events must be of at most {}",
                                               root.Size(), impl_->limits.max_events)};
  }
  std::size_t index = 0;
  for (const JsonValue& event : root.GetArray()) impl_->TakeJson(event, index++, sender);
  return {};
}

void EventReader::ReadQuery(std::string_view query, const EventSender& sender) {
  impl_->Clear();
  SaidAll all;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const auto key = KeyOf(pair.substr(0, equals));
    if (!key || all[*key].here) continue;
    impl_->decoded[*key] = PercentDecode(pair.substr(equals + 1), true);
    all[*key].text = impl_->decoded[*key];
    all[*key].here = !all[*key].text.empty();
  }
  impl_->Take(all, 0, sender, &impl_->document);
}

std::span<Event> EventReader::events() { return impl_->events; }
std::span<const RefusedEvent> EventReader::refused() const { return impl_->refused; }

}  // namespace rivulet
