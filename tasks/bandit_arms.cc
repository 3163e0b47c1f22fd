#include "tasks/bandit_arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/json.h"
#include "store/packed_numbers.h"
#include "store/store_text.h"

namespace rivulet {
namespace {

struct ArmCounter {
  std::string_view id;
  std::int64_t count = 0;
  bool clicks = false;  // or impressions
  bool readable = true;
};

/// Says what is left out: the first of it, and how much there is.
class Trouble {
 public:
  explicit Trouble(std::string* text) : text_(text) {}
  ~Trouble() {
    if (text_ != nullptr && count_ > 0) *text_ = std::move(first_) + Others();
  }
  Trouble(const Trouble&) = delete;
  Trouble& operator=(const Trouble&) = delete;
  void Add(const StoreItem& item, std::string_view what) {
    if (count_++ > 0) return;
    first_ = fmt::format("an item is left out, for its field {} must {}, and not {}",
                         ShownBytes(item.name), what, ShownBytes(item.text));
  }

 private:
  std::string Others() const {
    return count_ == 1 ? std::string() : fmt::format(" (and {} more such fields)", count_ - 1);
  }

  std::string* text_;
  std::string first_;
  std::size_t count_ = 0;
};

constexpr std::string_view kClickSums = "rx|";
constexpr std::string_view kImpressionSums = "xx|";
constexpr char kCount[] = "hold a whole number from 0 to 2^53";

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
  // A round is required by its text: "07" is not what a refresh would write.
  if (!number || (item.text.size() > 1 && item.text[0] == '0')) {
    return NoNumber(item.name, item.text);
  }
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

/// In BanditArm::sums, of a sum over impressions: rows before have d, d - 1, … numbers.
std::size_t PlaceInRows(std::size_t i, std::size_t j, std::size_t features) {
  return i * features - i * (i + 1) / 2 + j;
}

/// The place in BanditArm::sums that a field with one sum names, and its item; nothing where it is
/// none of ours.
std::optional<std::size_t> PlaceOf(std::string_view field, std::size_t features,
                                   std::string_view* id) {
  const bool of_a = field.starts_with("A|");
  if (!of_a && !field.starts_with("b|")) return std::nullopt;
  field.remove_prefix(2);
  const auto i = TakeIndex(&field, features);
  const auto j = of_a && i ? TakeIndex(&field, features) : i;
  if (!j || *j < *i) return std::nullopt;
  *id = field;
  return of_a ? PlaceInRows(*i, *j, features) : features * (features + 1) / 2 + *i;
}

/// False where `packed` are no numbers. Those beyond d features are left out.
bool AddPacked(std::string_view packed, bool clicks, std::size_t features,
               std::vector<double>* sums) {
  const auto numbers = UnpackNumbers(packed);
  if (!numbers) return false;
  const std::size_t of_clicks = features * (features + 1) / 2;
  for (std::size_t j = 0, next = 0; j < features; ++j) {
    for (std::size_t i = clicks ? j : 0; i <= j && next < numbers->size(); ++i) {
      (*sums)[clicks ? of_clicks + i : PlaceInRows(i, j, features)] += (*numbers)[next++];
    }
  }
  return true;
}

void ReadSums(std::span<const StoreItem> items, std::size_t features, BanditArms* bandit) {
  std::vector<BanditArm>& arms = bandit->arms;
  for (BanditArm& arm : arms) arm.sums.assign(features * (features + 1) / 2 + features, 0.0);
  std::string told;
  {
    Trouble trouble(&told);
    for (const StoreItem& item : items) {
      std::string_view id = item.name;
      const bool of_clicks = id.starts_with(kClickSums);
      const bool packed = of_clicks || id.starts_with(kImpressionSums);
      if (packed) id.remove_prefix(kClickSums.size());
      const auto place = packed ? 0 : PlaceOf(item.name, features, &id);
      if (!place) continue;
      const auto arm =
          std::lower_bound(arms.begin(), arms.end(), id,
                           [](const BanditArm& a, std::string_view b) { return a.id < b; });
      if (arm == arms.end() || arm->id != id || arm->sums.empty()) continue;
      const auto number = packed ? std::nullopt : Read<double>(item.text);
      if (number && std::isfinite(*number)) {
        arm->sums[*place] += *number;
      } else if (!packed || !AddPacked(item.text, of_clicks, features, &arm->sums)) {
        if (packed) {
          trouble.Add({item.name, fmt::format("{} bytes", item.text.size()), 0},
                      "hold finite numbers of 8 bytes each");
        } else {
          trouble.Add(item, "hold a number");
        }
        arm->sums.clear();
      }
    }
  }
  if (told.empty()) return;
  std::erase_if(arms, [](const BanditArm& arm) { return arm.sums.empty(); });
  if (bandit->trouble.empty()) bandit->trouble = std::move(told);
}

}  // namespace

std::string ClickField(std::string_view id) { return std::string("c|").append(id); }
std::string ImpressionField(std::string_view id) { return std::string("i|").append(id); }
std::string ClickSumsField(std::string_view id) { return std::string(kClickSums).append(id); }
std::string ImpressionSumsField(std::string_view id) {
  return std::string(kImpressionSums).append(id);
}

void AskBandit(StoreBatch* batch, const BanditKeys& keys, std::size_t features) {
  batch->HashAll(keys.items);
  batch->HashAll(keys.state());
  batch->Get(keys.experiments);
  batch->HashAll(keys.history());
  if (features > 0) batch->HashAll(keys.linear());
}

Status CheckBanditKeys(const BanditKeys& keys) {
  for (const std::string* key : {&keys.items, &keys.experiments}) {
    if (key->empty() || key->size() > 1024 || key->starts_with(StoreBatch::kOwnPrefix)) {
      return InvalidArgument(
          fmt::format("key={} and experiments={} must be names of 1 to 1024 bytes that do not "
                      "begin with '{}', where the store keeps its own",
                      keys.items, keys.experiments, StoreBatch::kOwnPrefix));
    }
  }
  for (const std::string& other : {keys.items, keys.state(), keys.history(), keys.linear()}) {
    if (keys.experiments != other) continue;
    return InvalidArgument(
        fmt::format("key={} and experiments={} must differ: the bandit has {} for something else",
                    keys.items, keys.experiments, other));
  }
  return {};
}

Result<std::vector<BanditArm>> ReadArms(std::span<const StoreItem> items, std::string* trouble) {
  if (items.size() > 2 * kMaxArms) {
    return Status(StatusCode::kTooLarge,
                  fmt::format("the bandit's hash has {} fields; at most {} items are read",
                              items.size(), kMaxArms));
  }
  Trouble left_out(trouble);
  std::vector<ArmCounter> counters;
  counters.reserve(items.size());
  for (const StoreItem& item : items) {
    const std::string_view name = item.name;
    const bool clicks = name.starts_with("c|");
    if (name.size() <= 2 || (!clicks && !name.starts_with("i|"))) continue;
    const auto count = Read<std::int64_t>(item.text);
    const bool counts = count && *count >= 0 && *count <= kMostCount;
    const bool names = IsValidUtf8(name);
    if (!counts) left_out.Add(item, kCount);
    if (counts && !names) left_out.Add(item, "be UTF-8, whatever it holds");
    counters.push_back({name.substr(2), counts ? *count : 0, clicks, counts && names});
  }
  std::sort(counters.begin(), counters.end(),
            [](const ArmCounter& a, const ArmCounter& b) { return a.id < b.id; });
  std::vector<BanditArm> arms;
  arms.reserve(counters.size() / 2);
  for (std::size_t i = 0; i < counters.size();) {
    BanditArm arm{std::string(counters[i].id), 1, 1, {}};
    bool readable = true;
    for (; i < counters.size() && counters[i].id == arm.id; ++i) {
      readable = readable && counters[i].readable;
      (counters[i].clicks ? arm.clicks : arm.impressions) = counters[i].count;
    }
    if (readable) arms.push_back(std::move(arm));
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
  auto arms = ReadArms(replies[0].items, &bandit.trouble);
  if (!arms.ok()) return arms.status();
  bandit.arms = std::move(*arms);
  if (Status status = ReadState(replies[1].items, &bandit); !status.ok()) return status;
  if (replies[2].kind == StoreReply::Kind::kText) {
    // Below 0 where somebody else set it back while a refresh took away what it had read.
    const auto count = Read<std::int64_t>(replies[2].text);
    if (!count) return NoNumber("experiments", replies[2].text);
    bandit.experiments = static_cast<std::uint64_t>(std::max<std::int64_t>(*count, 0));
  }
  ReadHistory(replies[3].items, &bandit.history);
  if (features > 0) ReadSums(replies[4].items, features, &bandit);
  return bandit;
}

}  // namespace rivulet
