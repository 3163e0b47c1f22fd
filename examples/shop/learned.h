// What the bandit says that it has learned: the answer to GET /arms (bandit(1)).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace rivulet::shop {

struct Learned {
  std::uint64_t impressions = 0;  // seen in all; likewise the next
  std::uint64_t clicks = 0;
  std::uint64_t late = 0;  // of those, for pictures that were not in the set any more
  std::uint64_t round = 0;
  std::string best;  // the arm of the highest mean; empty: there is none
  double mean = 0;
  double low = 0;  // 95 % of its posterior lie between the two
  double high = 0;
};

inline Result<Learned> ReadLearned(std::string_view body) {
  JsonDocument document;
  if (Status s = document.Parse(body, {.require_object = true}); !s.ok()) return s;
  const auto count = [&document](std::string_view name) -> std::uint64_t {
    const JsonValue* value = FindMember(document.root(), name);
    return value != nullptr && value->IsUint64() ? value->GetUint64() : 0;
  };
  Learned learned;
  learned.impressions = count("impressions");
  learned.clicks = count("clicks");
  learned.late = count("late");
  learned.round = count("round");
  const JsonValue* arms = FindMember(document.root(), "arms");
  if (arms == nullptr || !arms->IsArray() || arms->Empty()) return learned;
  const JsonValue& first = (*arms)[0];  // the best mean comes first
  const JsonValue* item = FindMember(first, "item");
  if (item != nullptr && item->IsString()) learned.best = JsonText(*item);
  learned.mean = JsonNumber(FindMember(first, "mean")).value_or(0);
  learned.low = JsonNumber(FindMember(first, "low")).value_or(0);
  learned.high = JsonNumber(FindMember(first, "high")).value_or(0);
  return learned;
}

}  // namespace rivulet::shop
