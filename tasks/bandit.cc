#include "tasks/bandit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>
#include <stdexcept>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "tasks/http_fetch.h"
#include "tasks/store_commit.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxBatch = 500;
// Added by a contextual batch: a Redis server does nothing else meanwhile, some ms.
constexpr std::size_t kMaxContextualNumbers = 32'768;
constexpr std::size_t kMaxPriorsBytes = std::size_t{64} << 20;
constexpr double kMostExact = 9007199254740992;  // 2^53
constexpr std::size_t kShownArms = 20;
constexpr Duration kPatience = std::chrono::seconds(1);
constexpr Duration kCatalogueWait = std::chrono::seconds(5);

std::vector<std::string> SplitAtPlus(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('+'), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

/// True for `other`.
bool TakeChoice(TaskArgs& args, std::string_view key, std::string_view usual,
                std::string_view other) {
  const std::string text = args.Text(key, usual);
  if (text != usual && text != other) {
    args.Fail(fmt::format("{}={} must be {} or {}", key, text, usual, other));
  }
  return text == other;
}

BanditKeys TakeKeys(TaskArgs& args) {
  BanditKeys keys;
  keys.items = args.Text("key", keys.items);
  keys.experiments = args.Text("experiments", keys.experiments);
  if (Status status = CheckBanditKeys(keys); !status.ok()) args.Fail(status.message());
  return keys;
}

InformedPriors TakePriors(TaskArgs& args) {
  const std::string path = args.Text("priors");
  if (path.empty()) return {};
  const auto text = ReadRegularFile(path, kMaxPriorsBytes);
  if (!text.ok()) {
    args.Fail("priors=" + text.status().message());
    return {};
  }
  auto priors = ReadInformedPriors(*text);
  if (!priors.ok()) {
    args.Fail("priors=" + path + ": " + priors.status().message());
    return {};
  }
  return std::move(*priors);
}

BanditCatalogue TakeCatalogue(TaskArgs& args) {
  const std::string where = args.Text("catalogue");
  std::vector<std::string> items = SplitAtPlus(args.Text("items"));
  if (where.empty() == items.empty()) {
    args.Fail("needs catalogue=FILE or catalogue=URL, or items=a+b+c, one of the two");
  }
  for (const std::string& item : items) {
    if (item.size() > kMaxItemBytes || !IsValidUtf8(item)) {
      args.Fail(fmt::format("items= must be ids of at most {} bytes, UTF-8", kMaxItemBytes));
    }
  }
  if (where.empty()) return BanditCatalogue(WithoutRepeats(items));
  if (HasUserInfo(where) && args.Text("name").empty()) {
    args.Fail(
        "catalogue= with a user or password needs name=NAME: without it the task is named "
        "by its whole text, in the log, /stats and /metrics");
  }
  BanditCatalogue catalogue(where);
  if (Status status = catalogue.Check(); !status.ok()) {
    args.Fail("catalogue=" + status.message());
  }
  return catalogue;
}

std::vector<std::string> TakeFeatures(TaskArgs& args) {
  std::vector<std::string> features = SplitAtPlus(args.Text("features"));
  if (features.size() > kMaxBanditFeatures) {
    args.Fail(fmt::format("features= names {} features; at most {}", features.size(),
                          kMaxBanditFeatures));
    features.clear();
  }
  const std::string within = args.Text("context", "context") + ".";
  for (std::string& feature : features) feature.insert(0, within);
  return features;
}

std::uint64_t TakeSeed(TaskArgs& args) {
  const bool given = !args.Text("seed").empty();
  const std::uint64_t seed = args.Uint("seed", 0, 0, std::uint64_t{1} << 62);
  if (given) return seed;
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

std::size_t BatchSizeFor(std::uint64_t refresh, std::size_t features) {
  const std::size_t d = features + 1;
  const std::size_t most =
      features == 0 ? kMaxBatch : std::min(kMaxContextualNumbers / (d * (d + 1) / 2), kMaxBatch);
  return refresh == 0 ? most : std::clamp<std::size_t>(refresh / 20, 1, most);
}

/// Of the message's text, for what Number() does not tell. Costs as much as all the rest.
template <typename Use>
auto AtPath(const Message& message, std::string_view path, Use use) {
  JsonDocument document;
  const bool parsed = document.Parse(message.text()).ok();
  return use(parsed ? FindPath(document.root(), path) : nullptr);
}

bool IsNull(const Message& message, std::string_view path) {
  return AtPath(message, path, [](const JsonValue* v) { return v != nullptr && v->IsNull(); });
}

/// The text of a string, or a whole number in `buffer`; empty: none of these.
std::string_view WholeOrText(const Message& message, std::string_view path, std::string* buffer) {
  if (const auto text = message.Text(path)) return *text;
  const auto number = message.Number(path);
  buffer->clear();
  if (!number || std::floor(*number) != *number) return {};
  if (std::abs(*number) < kMostExact) {
    buffer->assign(fmt::format_int(static_cast<std::int64_t>(*number)).str());
    return *buffer;
  }
  // Here a double may be another item's.
  AtPath(message, path, [&](const JsonValue* value) {
    if (value == nullptr) return;
    if (value->IsUint64()) {
      buffer->assign(fmt::format_int(value->GetUint64()).str());
    } else if (value->IsInt64()) {
      buffer->assign(fmt::format_int(value->GetInt64()).str());
    }
  });
  return *buffer;
}

}  // namespace

BanditTask::BanditTask(TaskArgs& args)
    : keys_(TakeKeys(args)),
      state_(keys_.state()),
      linear_(keys_.linear()),
      type_(args.Text("type", "type")),
      impression_(args.Text("impression", "impression")),
      click_(args.Text("click", "click")),
      item_(args.Text("item", "item")),
      round_(args.Text("round", "round")),
      prior_(TakeChoice(args, "prior", "uniform", "counts") ? BetaPrior::kCounts
                                                            : BetaPrior::kUniform),
      features_(TakeFeatures(args)),
      store_(args.store()) {
  RefreshOptions options;
  options.keys = keys_;
  options.arms = static_cast<std::size_t>(args.Uint("arms", 10, 2, 10'000));
  options.after = args.Uint("refresh", 1000, 0, 1'000'000'000'000);
  options.prior = prior_;
  options.keeps_random = TakeChoice(args, "keep", "draws", "random");
  options.priors = TakePriors(args);
  batch_size_ = BatchSizeFor(options.after, features_.size());
  const std::uint64_t seed = TakeSeed(args);
  BanditCatalogue catalogue = TakeCatalogue(args);
  if (impression_ == click_) {
    args.Fail("impression=" + impression_ + " and click=" + click_ + " must differ");
  }
  if (store_ == nullptr) args.Fail("needs a store");
  if (!args.Check().ok()) return;
  refresh_.emplace(std::move(options), std::move(catalogue), seed);
}

void BanditTask::Tick() {
  const SystemClock clock;
  if (refresh_->IsDue(clock.WallNow())) Refresh(clock.WallNow(), kPatience, nullptr);
}

Outcome BanditTask::Run(const Message& message, Context& context) {
  const Message* const one = &message;
  Outcome outcome = Outcome::Done();
  RunBatch({&one, 1}, {&outcome, 1}, context);
  return outcome;
}

void BanditTask::RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                          Context& context) {
  batch_.Clear();
  all_have_ids_ = true;
  Counts counts = counts_;
  std::optional<Feedback> feedback;
  bool any = false;
  for (const Message* message : messages) {
    feedback = Read(*message, &counts);
    if (feedback) Learn(message->id(), *feedback);
    any = any || feedback;
  }
  if (any && refresh_->IsEmpty()) FillFirst(context);
  auto replies = Commit();
  if (replies.status().code() == StatusCode::kInvalidArgument) {
    // Nothing was done: one by one, those that can be done are.
    if (messages.size() > 1) throw std::runtime_error(replies.status().message());
    if (feedback && IsLeftOut(feedback->item)) {
      batch_.Clear();
      LearnSeen(messages[0]->id(), *feedback);
      replies = Commit();
    }
  }
  if (!replies.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), Outcome::Failed(replies.status().message()));
    return;
  }
  counts_ = counts;
  const StoreReply& experiments = (*replies)[replies->size() - 2];
  std::int64_t count = 0;
  std::from_chars(experiments.text.data(), experiments.text.data() + experiments.text.size(),
                  count);
  refresh_->Saw(count, replies->back().whole);
  if (refresh_->IsDue(context.now())) Refresh(context.now(), std::nullopt, &context);
}

Result<std::vector<StoreReply>> BanditTask::Commit() {
  // Whatever was there before.
  batch_.Once(keys_.items, {});
  batch_.Get(keys_.experiments);
  batch_.HashSize(keys_.items);
  return CommitBatch(store_, batch_, all_have_ids_);
}

void BanditTask::FillFirst(Context& context) {
  if (refresh_->IsDue(context.now())) Refresh(context.now(), kPatience, &context);
  if (!refresh_->IsEmpty()) return;
  // Feedback for an empty set would be lost. A failure is followed by a pause.
  refresh_->Await(kCatalogueWait);
  if (refresh_->IsDue(context.now())) Refresh(context.now(), kPatience, &context);
}

bool BanditTask::IsLeftOut(std::string_view item) {
  const std::size_t d = features_.empty() ? 0 : features_.size() + 1;
  StoreBatch ask;
  AskBandit(&ask, keys_, d);
  const auto replies = store_->Run(ask);
  if (!replies.ok()) return false;
  const auto bandit = ReadBandit(*replies, d);
  return bandit.ok() && !bandit->trouble.empty() &&
         std::none_of(bandit->arms.begin(), bandit->arms.end(),
                      [&](const BanditArm& arm) { return arm.id == item; });
}

std::optional<BanditTask::Feedback> BanditTask::Read(const Message& message, Counts* counts) {
  const auto type = message.Text(type_);
  Feedback feedback;
  feedback.click = type && *type == click_;
  if (!feedback.click && !(type && *type == impression_)) {
    ++counts->skipped;
    return std::nullopt;
  }
  feedback.item = WholeOrText(message, item_, &item_number_);
  bool well_formed = !feedback.item.empty() && feedback.item.size() <= kMaxItemBytes;
  if (message.Has(round_)) {
    feedback.round = WholeOrText(message, round_, &round_number_);
    well_formed = well_formed && feedback.round.size() <= kMaxItemBytes &&
                  (!feedback.round.empty() || IsNull(message, round_));
  }
  if (!well_formed || !ReadContext(message)) {
    ++counts->malformed;
    return std::nullopt;
  }
  return feedback;
}

bool BanditTask::ReadContext(const Message& message) {
  x_.assign(1, 1.0);
  for (const std::string& path : features_) {
    const auto number = message.Number(path);
    if (number ? std::abs(*number) > kMostBanditFeature : message.Has(path)) return false;
    x_.push_back(number.value_or(0));
  }
  return true;
}

void BanditTask::LearnSeen(std::string_view id, const Feedback& feedback) {
  all_have_ids_ = all_have_ids_ && !id.empty();
  batch_.Once(keys_.items, id);
  batch_.HashIncrement(state_, feedback.click ? "clicks" : "impressions", 1);
}

void BanditTask::Learn(std::string_view id, const Feedback& feedback) {
  LearnSeen(id, feedback);
  if (!feedback.round.empty()) batch_.HashHolds(state_, "round", feedback.round);
  field_.assign(feedback.click ? "c|" : "i|").append(feedback.item);
  batch_.HashHas(keys_.items, field_);
  batch_.HashIncrement(keys_.items, field_, 1);
  batch_.HashIncrement(state_, feedback.click ? "counted_clicks" : "counted_impressions", 1);
  if (!feedback.click) batch_.Increment(keys_.experiments, 1);
  if (!features_.empty()) LearnContext(feedback);
}

void BanditTask::LearnContext(const Feedback& feedback) {
  if (feedback.click) {
    batch_.HashAddNumbers(linear_, ClickSumsField(feedback.item), x_);
    return;
  }
  products_.clear();
  for (std::size_t j = 0; j < x_.size(); ++j) {
    for (std::size_t i = 0; i <= j; ++i) products_.push_back(x_[i] * x_[j]);
  }
  batch_.HashAddNumbers(linear_, ImpressionSumsField(feedback.item), products_);
}

void BanditTask::Refresh(WallTime now, std::optional<Duration> patience, Context* context) {
  const auto did = refresh_->Run(store_, now, patience);
  if (did.ok()) {
    if (*did == BanditRefresh::Did::kElsewhere) ++elsewhere_;
    if (*did != BanditRefresh::Did::kAsking) failing_ = false;
    return;
  }
  if (std::exchange(failing_, true)) return;
  const std::string line = "the set stays as it is: " + did.status().message();
  if (context != nullptr) {
    context->Log(line);
  } else {
    LogWarning("the bandit {}: {}", keys_.items, line);
  }
}

void BanditTask::Summarize(Summary& summary) const {
  StoreBatch ask;
  ask.set_patience(kPatience);
  AskBandit(&ask, keys_, 0);
  const auto replies = store_->Run(ask);
  auto bandit = replies.ok() ? ReadBandit(*replies, 0) : Result<BanditArms>(replies.status());
  if (bandit.ok()) {
    summary.Count("round", bandit->round);
    summary.Count("impressions", bandit->impressions);
    summary.Count("clicks", bandit->clicks);
    summary.Count("late", bandit->late());
  } else {
    summary.Text("trouble", bandit.status().message());
  }
  if (bandit.ok() && !bandit->trouble.empty()) summary.Text("trouble", bandit->trouble);
  summary.Count("refreshes", refresh_->refreshes());
  summary.Count("refreshed_elsewhere", elsewhere_);
  summary.Count("catalogue_failures", refresh_->catalogue_failures());
  summary.Count("skipped", counts_.skipped);
  summary.Count("malformed", counts_.malformed);
  if (!bandit.ok()) return;
  const auto mean = [](const BanditArm& arm) {
    return PosteriorOf(arm.clicks, arm.impressions, BetaPrior::kUniform).mean();
  };
  // Of what was counted: without what the item began with.
  const auto rate = [&](const BanditArm& arm) {
    const InformedPrior prior = refresh_->PriorOf(arm.id);
    const auto clicks = static_cast<double>(arm.clicks - 1 - prior.clicks);
    const auto impressions = static_cast<double>(arm.impressions - 1 - prior.impressions);
    return impressions > 0 ? std::max(clicks, 0.0) / impressions : std::nan("");
  };
  summary.Table("arms", {"item", "clicks", "impressions", "rate", "mean"});
  std::stable_sort(bandit->arms.begin(), bandit->arms.end(),
                   [&](const BanditArm& a, const BanditArm& b) { return mean(a) > mean(b); });
  for (std::size_t i = 0; i < std::min(bandit->arms.size(), kShownArms); ++i) {
    const BanditArm& arm = bandit->arms[i];
    summary.Row({arm.id, static_cast<std::uint64_t>(arm.clicks),
                 static_cast<std::uint64_t>(arm.impressions), rate(arm), mean(arm)});
  }
}

}  // namespace rivulet
