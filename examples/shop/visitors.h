// What the browser of a simulated visitor sends, as collector.js does (collector/event_reader.h has
// the names), and what it reads of the shop.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/random.h"
#include "base/json.h"
#include "base/status.h"

namespace rivulet::shop {

struct Pick {
  std::string item;
  std::optional<std::uint64_t> round;
  bool by_bandit = false;
};

/// Of the answer to /pick.
inline Result<Pick> ReadPick(std::string_view body) {
  JsonDocument document;
  if (Status s = document.Parse(body, {.require_object = true}); !s.ok()) return s;
  const JsonValue* item = FindMember(document.root(), "item");
  const JsonValue* round = FindMember(document.root(), "round");
  const JsonValue* source = FindMember(document.root(), "source");
  if (item == nullptr || !item->IsString()) return InvalidArgument("a pick without an item");
  Pick pick{.item = std::string(JsonText(*item)), .round = {}};
  if (round != nullptr && round->IsUint64()) pick.round = round->GetUint64();
  pick.by_bandit = source != nullptr && source->IsString() && JsonText(*source) == "bandit";
  return pick;
}

/// Of the answer to /catalogue.
inline Result<std::vector<std::string>> ReadIds(std::string_view body) {
  JsonDocument document;
  if (Status s = document.Parse(body); !s.ok()) return s;
  std::vector<std::string> ids;
  if (!document.root().IsArray()) return ids;
  for (const JsonValue& id : document.root().GetArray()) {
    if (id.IsString()) ids.emplace_back(JsonText(id));
  }
  return ids;
}

/// One visit. Its chances come from the seed and the visitor's number alone.
class Visitor {
 public:
  Visitor(std::uint64_t seed, std::uint64_t number)
      : random_(seed * 0x9e3779b97f4a7c15 + number),
        party_(NewId()),
        session_(NewId()),
        front_view_(NewId()),
        phone_(random_.Chance(0.6)) {}

  Pick pick;
  /// Whether this one clicks what is liked by so many.
  bool Likes(double rate) { return random_.Chance(rate); }

  std::string_view user_agent() const {
    return phone_ ? "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) "
                    "Chrome/131.0.0.0 Mobile Safari/537.36"
                  : "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
  }

  /// The front page was loaded, and showed its pick.
  std::string FrontPageEvents(const std::string& shop) {
    std::string body = "[";
    Event(&body, "page_view", front_view_, shop + "/", "");
    body += "},";
    Event(&body, "impression", front_view_, shop + "/", "");
    body += ",\"d\":{\"source\":\"top_pick\",\"item\":";
    AppendJsonString(&body, pick.item);
    if (pick.round) body += fmt::format(",\"round\":{}", *pick.round);
    return body + "}}]";
  }
  /// The click on it led to its page.
  std::string ClickEvents(const std::string& shop) {
    std::string location = fmt::format("{}/picture/{}#/?source=top_pick", shop, pick.item);
    if (pick.round) location += fmt::format("&round={}", *pick.round);
    std::string body;
    Event(&body, "page_view", NewId(), location, shop + "/");
    return body + "}";
  }

 private:
  std::string NewId() { return fmt::format("{:016x}", random_.Next()); }

  void Event(std::string* out, std::string_view type, std::string_view view,
             std::string_view location, std::string_view referer) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    *out += fmt::format(
        R"({{"t":"{}","p":"{}","s":"{}","v":"{}","i":"{}","w":"{}","c":"{}","u":{},"l":)", type,
        party_, session_, view, NewId(), phone_ ? "412x780" : "1280x820",
        phone_ ? "412x915" : "1920x1080",
        std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
    AppendJsonString(out, location);
    if (referer.empty()) return;
    *out += ",\"r\":";
    AppendJsonString(out, referer);
  }

  Random random_;
  std::string party_;
  std::string session_;
  std::string front_view_;
  bool phone_;
};

}  // namespace rivulet::shop
