#include "tasks/bandit_arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "store/store_text.h"

namespace rivulet {
namespace {

struct ArmCounter {
  std::string_view id;
  std::int64_t count = 0;
  bool clicks = false;  // or impressions
};

template <typename Number>
std::optional<Number> Read(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return number;
}

Status NoNumber(std::string_view field, std::string_view text) {
  return {StatusCode::kCorrupt, fmt::format("the bandit's field {} must hold a whole number from 0 "
                                            "on, and not {}",
                                            ShownBytes(field), ShownBytes(text))};
}

Status ReadCount(const StoreItem& item, std::uint64_t* count) {
  const auto number = Read<std::uint64_t>(item.text);
  if (!number) return NoNumber(item.name, item.text);
  *count = *number;
  return {};
}

Status ReadState(std::span<const StoreItem> items, BanditArms* bandit) {
  const std::pair<std::string_view, std::uint64_t*> fields[] = {
      {"round", &bandit->round},
      {"impressions", &bandit->impressions},
      {"clicks", &bandit->clicks},
      {"counted_impressions", &bandit->counted_impressions},
      {"counted_clicks", &bandit->counted_clicks}};
  for (const StoreItem& item : items) {
    for (const auto& [name, count] : fields) {
      if (item.name != name) continue;
      if (Status status = ReadCount(item, count); !status.ok()) return status;
    }
  }
  return {};
}

void ReadHistory(std::span<const StoreItem> items, std::vector<BanditRound>* history) {
  for (const StoreItem& item : items) {
    if (const auto round = Read<std::uint64_t>(item.name)) history->push_back({*round, item.text});
  }
  std::sort(history->begin(), history->end(),
            [](const BanditRound& a, const BanditRound& b) { return a.round > b.round; });
}

/// Up to the next '|', which is taken, too.
std::optional<std::size_t> TakeIndex(std::string_view* field, std::size_t features) {
  const std::size_t bar = std::min(field->find('|'), field->size());
  const auto index = Read<std::size_t>(field->substr(0, bar));
  field->remove_prefix(std::min(bar + 1, field->size()));
  return index && *index < features ? index : std::nullopt;
}

/// The place in BanditArm::sums that `field` names, and its item; nothing where it is none of ours.
std::optional<std::size_t> PlaceOf(std::string_view field, std::size_t features,
                                   std::string_view* id) {
  const bool of_a = field.starts_with("A|");
  if (!of_a && !field.starts_with("b|")) return std::nullopt;
  field.remove_prefix(2);
  const auto i = TakeIndex(&field, features);
  const auto j = of_a && i ? TakeIndex(&field, features) : i;
  if (!j || *j < *i) return std::nullopt;
  *id = field;
  if (!of_a) return features * (features + 1) / 2 + *i;
  // Rows before have d, d - 1, … numbers.
  return *i * features - *i * (*i + 1) / 2 + *j;
}

Status ReadSums(std::span<const StoreItem> items, std::size_t features,
                std::vector<BanditArm>* arms) {
  for (BanditArm& arm : *arms) arm.sums.assign(features * (features + 1) / 2 + features, 0.0);
  for (const StoreItem& item : items) {
    std::string_view id;
    const auto place = PlaceOf(item.name, features, &id);
    if (!place) continue;
    const auto arm =
        std::lower_bound(arms->begin(), arms->end(), id,
                         [](const BanditArm& a, std::string_view b) { return a.id < b; });
    if (arm == arms->end() || arm->id != id) continue;
    const auto number = Read<double>(item.text);
    if (!number) {
      return {StatusCode::kCorrupt,
              fmt::format("the bandit's field {} must hold a number, and not {}",
                          ShownBytes(item.name), ShownBytes(item.text))};
    }
    arm->sums[*place] = *number;
  }
  return {};
}

}  // namespace

std::string ClickField(std::string_view id) { return std::string("c|").append(id); }
std::string ImpressionField(std::string_view id) { return std::string("i|").append(id); }

void AskBandit(StoreBatch* batch, const BanditKeys& keys, std::size_t features) {
  batch->HashAll(keys.items);
  batch->HashAll(keys.state());
  batch->Get(keys.experiments);
  batch->HashAll(keys.history());
  if (features > 0) batch->HashAll(keys.linear());
}

Result<std::vector<BanditArm>> ReadArms(std::span<const StoreItem> items) {
  if (items.size() > 2 * kMaxArms) {
    return Status(StatusCode::kTooLarge,
                  fmt::format("the bandit's hash has {} fields; at most {} items are read",
                              items.size(), kMaxArms));
  }
  std::vector<ArmCounter> counters;
  counters.reserve(items.size());
  for (const StoreItem& item : items) {
    const std::string_view name = item.name;
    const bool clicks = name.starts_with("c|");
    if (name.size() <= 2 || (!clicks && !name.starts_with("i|"))) continue;
    const auto count = Read<std::int64_t>(item.text);
    if (!count || *count < 0) return NoNumber(item.name, item.text);
    counters.push_back({name.substr(2), *count, clicks});
  }
  std::sort(counters.begin(), counters.end(),
            [](const ArmCounter& a, const ArmCounter& b) { return a.id < b.id; });
  std::vector<BanditArm> arms;
  arms.reserve(counters.size() / 2);
  for (const ArmCounter& counter : counters) {
    if (arms.empty() || arms.back().id != counter.id) {
      arms.push_back({std::string(counter.id), 1, 1, {}});
    }
    (counter.clicks ? arms.back().clicks : arms.back().impressions) = counter.count;
  }
  return arms;
}

Result<BanditArms> ReadBandit(std::span<const StoreReply> replies, std::size_t features) {
  const std::size_t wanted = features > 0 ? 5 : 4;
  if (replies.size() < wanted) return InvalidArgument("the bandit was not read whole");
  for (const StoreReply& reply : replies.first(wanted)) {
    if (reply.kind == StoreReply::Kind::kFailed) return reply.status;
  }
  BanditArms bandit;
  auto arms = ReadArms(replies[0].items);
  if (!arms.ok()) return arms.status();
  bandit.arms = std::move(*arms);
  if (Status status = ReadState(replies[1].items, &bandit); !status.ok()) return status;
  if (replies[2].kind == StoreReply::Kind::kText) {
    const Status status = ReadCount({"experiments", replies[2].text, 0}, &bandit.experiments);
    if (!status.ok()) return status;
  }
  ReadHistory(replies[3].items, &bandit.history);
  if (features == 0) return bandit;
  if (Status status = ReadSums(replies[4].items, features, &bandit.arms); !status.ok()) {
    return status;
  }
  return bandit;
}

}  // namespace rivulet
