#include "tasks/bandit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <utility>

#include "base/log.h"
#include "tasks/store_commit.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxBatch = 500;
constexpr std::size_t kMaxContextualBatch = 100;
constexpr std::size_t kMaxFeatures = 15;
constexpr double kMostFeature = 1e6;
constexpr double kMostExact = 9007199254740992;  // 2^53
constexpr std::size_t kShownArms = 20;
constexpr Duration kPatience = std::chrono::seconds(1);

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
  for (const std::string* key : {&keys.items, &keys.experiments}) {
    if (key->empty() || key->size() > 1024 || key->starts_with(StoreBatch::kOwnPrefix)) {
      args.Fail(
          fmt::format("key={} and experiments={} must be names of 1 to 1024 bytes that do not "
                      "begin with '{}', where the store keeps its own",
                      keys.items, keys.experiments, StoreBatch::kOwnPrefix));
    }
  }
  if (keys.items == keys.experiments) {
    args.Fail(fmt::format("key={} and experiments={} must differ", keys.items, keys.experiments));
  }
  return keys;
}

InformedPriors TakePriors(TaskArgs& args) {
  const std::string path = args.Text("priors");
  if (path.empty()) return {};
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    args.Fail("priors=" + path + ": it cannot be read");
    return {};
  }
  auto priors = ReadInformedPriors({std::string(std::istreambuf_iterator<char>(file), {})});
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
    if (item.size() > kMaxItemBytes) {
      args.Fail(fmt::format("items= must be ids of at most {} bytes", kMaxItemBytes));
    }
  }
  if (where.empty()) return BanditCatalogue(WithoutRepeats(items));
  BanditCatalogue catalogue(where);
  if (Status status = catalogue.Check(); !status.ok()) {
    args.Fail("catalogue=" + status.message());
  }
  return catalogue;
}

std::vector<std::string> TakeFeatures(TaskArgs& args) {
  std::vector<std::string> features = SplitAtPlus(args.Text("features"));
  if (features.size() > kMaxFeatures) {
    args.Fail(
        fmt::format("features= names {} features; at most {}", features.size(), kMaxFeatures));
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
  const auto most = static_cast<std::size_t>(options.after == 0 ? kMaxBatch : options.after / 20);
  batch_size_ =
      std::clamp<std::size_t>(most, 1, features_.empty() ? kMaxBatch : kMaxContextualBatch);
  const std::uint64_t seed = TakeSeed(args);
  BanditCatalogue catalogue = TakeCatalogue(args);
  if (impression_ == click_) {
    args.Fail("impression=" + impression_ + " and click=" + click_ + " must differ");
  }
  if (store_ == nullptr) args.Fail("needs a store");
  if (!args.Check().ok()) return;
  refresh_.emplace(options, std::move(catalogue), seed);
  const SystemClock clock;
  const auto filled = refresh_->Run(store_, clock.WallNow(), kPatience);
  if (!filled.ok()) LogWarning("bandit: the set is not filled yet: {}", filled.status().message());
  refresh_->EndPause();
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
  for (const Message* message : messages) {
    if (const auto feedback = Read(*message, &counts)) Learn(message->id(), *feedback);
  }
  // Whatever was there before.
  batch_.Once(keys_.items, {});
  batch_.Get(keys_.experiments);
  batch_.HashSize(keys_.items);
  const auto replies = CommitBatch(store_, batch_, all_have_ids_);
  if (replies.status().code() == StatusCode::kInvalidArgument && messages.size() > 1) {
    // Nothing was done: one by one, those that can be done are.
    throw std::runtime_error(replies.status().message());
  }
  if (!replies.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), Outcome::Failed(replies.status().message()));
    return;
  }
  counts_ = counts;
  RefreshIfDue(*replies, context);
}

std::optional<BanditTask::Feedback> BanditTask::Read(const Message& message, Counts* counts) {
  const auto type = message.Text(type_);
  Feedback feedback;
  feedback.click = type && *type == click_;
  if (!feedback.click && !(type && *type == impression_)) {
    ++counts->skipped;
    return std::nullopt;
  }
  const auto whole = [&](std::string_view path, std::string* buffer) -> std::string_view {
    if (const auto text = message.Text(path)) return *text;
    const auto number = message.Number(path);
    if (!number || std::floor(*number) != *number || std::abs(*number) > kMostExact) return {};
    buffer->assign(fmt::format_int(static_cast<std::int64_t>(*number)).str());
    return *buffer;
  };
  feedback.item = whole(item_, &item_number_);
  if (message.Has(round_)) feedback.round = whole(round_, &round_number_);
  const bool well_formed = !feedback.item.empty() && feedback.item.size() <= kMaxItemBytes &&
                           feedback.round.size() <= kMaxItemBytes &&
                           feedback.round.empty() != message.Has(round_);
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
    if (number ? std::abs(*number) > kMostFeature : message.Has(path)) return false;
    x_.push_back(number.value_or(0));
  }
  return true;
}

void BanditTask::Learn(std::string_view id, const Feedback& feedback) {
  all_have_ids_ = all_have_ids_ && !id.empty();
  batch_.Once(keys_.items, id);
  batch_.HashIncrement(state_, feedback.click ? "clicks" : "impressions", 1);
  if (!feedback.round.empty()) batch_.HashHolds(state_, "round", feedback.round);
  field_.assign(feedback.click ? "c|" : "i|").append(feedback.item);
  batch_.HashHas(keys_.items, field_);
  batch_.HashIncrement(keys_.items, field_, 1);
  batch_.HashIncrement(state_, feedback.click ? "counted_clicks" : "counted_impressions", 1);
  if (!feedback.click) batch_.Increment(keys_.experiments, 1);
  if (!features_.empty()) LearnContext(feedback);
}

void BanditTask::LearnContext(const Feedback& feedback) {
  for (std::size_t i = 0; i < x_.size(); ++i) {
    if (x_[i] == 0) continue;
    if (feedback.click) {
      batch_.HashAdd(linear_, fmt::format("b|{}|{}", i, feedback.item), x_[i]);
      continue;
    }
    for (std::size_t j = i; j < x_.size(); ++j) {
      if (x_[j] == 0) continue;
      batch_.HashAdd(linear_, fmt::format("A|{}|{}|{}", i, j, feedback.item), x_[i] * x_[j]);
    }
  }
}

void BanditTask::RefreshIfDue(std::span<const StoreReply> replies, Context& context) {
  const StoreReply& experiments = replies[replies.size() - 2];
  std::int64_t count = 0;
  std::from_chars(experiments.text.data(), experiments.text.data() + experiments.text.size(),
                  count);
  if (!refresh_->IsDue(count, replies.back().whole, context.now())) return;
  const auto did = refresh_->Run(store_, context.now());
  if (!did.ok()) {
    context.Log("the set stays as it is: " + did.status().message());
    return;
  }
  if (*did == BanditRefresh::Did::kElsewhere) ++elsewhere_;
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
  summary.Count("refreshes", refresh_->refreshes());
  summary.Count("refreshed_elsewhere", elsewhere_);
  summary.Count("catalogue_failures", refresh_->catalogue_failures());
  summary.Count("skipped", counts_.skipped);
  summary.Count("malformed", counts_.malformed);
  if (!bandit.ok()) return;
  summary.Table("arms", {"item", "clicks", "impressions", "rate"});
  const auto rate = [&](const BanditArm& arm) {
    return PosteriorOf(arm.clicks, arm.impressions, BetaPrior::kUniform).mean();
  };
  std::stable_sort(bandit->arms.begin(), bandit->arms.end(),
                   [&](const BanditArm& a, const BanditArm& b) { return rate(a) > rate(b); });
  for (std::size_t i = 0; i < std::min(bandit->arms.size(), kShownArms); ++i) {
    const BanditArm& arm = bandit->arms[i];
    summary.Row({arm.id, static_cast<std::uint64_t>(arm.clicks),
                 static_cast<std::uint64_t>(arm.impressions), rate(arm)});
  }
}

}  // namespace rivulet
