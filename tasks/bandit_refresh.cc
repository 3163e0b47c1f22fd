#include "tasks/bandit_refresh.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "algorithms/bandit/refresh.h"
#include "base/json.h"

namespace rivulet {
namespace {

// Of each list in the history.
constexpr std::size_t kMaxListedIds = 100;
constexpr double kMaxPrior = 1e12;
constexpr Duration kStorePause = std::chrono::seconds(1);

std::string UtcTime(WallTime at) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

void AppendIds(std::string* json, std::string_view name, const std::vector<std::string>& ids) {
  fmt::format_to(std::back_inserter(*json), ",\"{}\":[", name);
  for (std::size_t i = 0; i < std::min(ids.size(), kMaxListedIds); ++i) {
    if (i > 0) *json += ',';
    AppendJsonString(json, ids[i]);
  }
  *json += ']';
}

std::optional<InformedPrior> PriorIn(const JsonValue& line) {
  const auto clicks = JsonNumber(FindMember(line, "clicks"));
  const auto impressions = JsonNumber(FindMember(line, "impressions"));
  if (!clicks || !impressions || *clicks < 0 || *clicks > *impressions ||
      *impressions > kMaxPrior || std::floor(*clicks) != *clicks ||
      std::floor(*impressions) != *impressions) {
    return std::nullopt;
  }
  return InformedPrior{static_cast<std::int64_t>(*clicks), static_cast<std::int64_t>(*impressions)};
}

}  // namespace

Result<InformedPriors> ReadInformedPriors(std::string_view lines) {
  InformedPriors priors;
  JsonDocument document;
  for (std::size_t number = 1; !lines.empty(); ++number) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Status status = document.Parse(line);
    if (!status.ok()) return InvalidArgument(fmt::format("line {}: {}", number, status.message()));
    const auto ids = CatalogueLines(line);
    const auto prior = PriorIn(document.root());
    if (!ids.ok() || !document.root().IsObject() || !prior) {
      return InvalidArgument(
          fmt::format("line {} must be as {{\"item\":\"a\",\"clicks\":3,\"impressions\":60}}, with "
                      "whole numbers "
                      "and no more clicks than impressions",
                      number));
    }
    priors[ids->front()] = *prior;
  }
  return priors;
}

const Clock& BanditRefresh::clock() const {
  static const SystemClock system;
  return options_.clock != nullptr ? *options_.clock : system;
}

std::size_t BanditRefresh::Wanted(std::size_t held) const {
  return options_.arms - std::min(SurvivorCount(held), options_.arms);
}

void BanditRefresh::Pause(WallTime from, Duration length) {
  pause_ = length;
  not_before_ = from + length;
}

void BanditRefresh::Saw(std::int64_t experiments, std::int64_t fields) {
  counted_ = counted_ || experiments != experiments_;
  experiments_ = experiments;
  fields_ = fields;
  const auto after = static_cast<std::int64_t>(options_.after);
  if (fields == 0 || experiments < after - after / 5 || experiments >= after) return;
  if (catalogue_.asked()) return;
  const auto held = static_cast<std::size_t>(fields) / 2;
  catalogue_.Ask(Wanted(held) + held, random_, clock().Now());
}

bool BanditRefresh::IsDue(WallTime now) const {
  // A clock that is set back ends the pause, too.
  if (now < not_before_ && now >= not_before_ - pause_) return false;
  if (catalogue_.asking()) return false;
  if (fields_ == 0) return true;
  if (options_.after > 0 && experiments_ >= static_cast<std::int64_t>(options_.after)) return true;
  return !counted_ && (now - looked_at_ >= options_.look || now < looked_at_);
}

Result<BanditRefresh::Did> BanditRefresh::Run(Store* store, WallTime now,
                                              std::optional<Duration> patience) {
  const MonoTime began = clock().Now();
  const std::uint64_t of_catalogue = catalogue_failures_;
  counted_ = false;
  looked_at_ = now;
  auto did = Try(store, now, patience);
  if (did.ok()) {
    if (*did != Did::kAsking) failures_ = 0;
    return did;
  }
  const WallTime ended = now + (clock().Now() - began);
  if (did.status().code() == StatusCode::kUnavailable && catalogue_failures_ == of_catalogue) {
    Pause(ended, kStorePause);
    return did;
  }
  Duration pause = options_.pause;
  for (int i = 0; i < failures_ && pause < options_.longest_pause; ++i) pause *= 2;
  ++failures_;
  Pause(ended, std::min(pause, options_.longest_pause));
  return did;
}

Result<BanditArms> BanditRefresh::ReadAll(Store* store,
                                          const std::optional<Duration>& patience) const {
  StoreBatch ask(StoreBatch::Mode::kAtomic);
  if (patience) ask.set_patience(*patience);
  AskBandit(&ask, options_.keys, 0);
  const auto replies = store->Run(ask);
  if (!replies.ok()) return replies.status();
  return ReadBandit(*replies, 0);
}

Result<BanditRefresh::Did> BanditRefresh::Try(Store* store, WallTime now,
                                              const std::optional<Duration>& patience) {
  auto before = ReadAll(store, patience);
  if (!before.ok()) return before.status();
  experiments_ = static_cast<std::int64_t>(before->experiments);
  fields_ = static_cast<std::int64_t>(2 * before->arms.size());
  if (!before->arms.empty() && (options_.after == 0 || before->experiments < options_.after)) {
    return Did::kNothing;
  }
  if (!catalogue_.IsReady(clock().Now())) {
    catalogue_.Ask(Wanted(before->arms.size()) + before->arms.size(), random_, clock().Now());
    // Where there is no thread to ask it on, the draw says so.
    if (catalogue_.asked() && !catalogue_.IsReady(clock().Now())) return Did::kAsking;
  }
  const auto change = Choose(before->arms);
  if (!change.ok()) {
    ++catalogue_failures_;
    return change.status();
  }
  if (change->newcomers.empty() && change->dropped.empty()) {
    Pause(now, options_.pause);
    return Did::kNothing;
  }
  if (before->round == 0) {
    // So that there is something to require.
    StoreBatch first(StoreBatch::Mode::kAtomic);
    if (patience) first.set_patience(*patience);
    first.HashMax(options_.keys.state(), "round", 0);
    if (Status status = store->Run(first).status(); !status.ok()) return status;
  }
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  if (patience) batch.set_patience(*patience);
  Write(&batch, *before, *change, now);
  const Status status = store->Run(batch).status();
  if (status.code() == StatusCode::kConflict) {
    // Twice in the same round: it was not another reader.
    if (conflict_round_ == before->round) Pause(now, options_.pause);
    conflict_round_ = before->round;
    return Did::kElsewhere;
  }
  if (!status.ok()) return status;
  experiments_ = 0;
  fields_ = static_cast<std::int64_t>(2 * (change->kept.size() + change->newcomers.size()));
  ++refreshes_;
  return Did::kRefreshed;
}

std::vector<double> BanditRefresh::DrawsOf(const std::vector<BanditArm>& arms) {
  std::vector<double> draws;
  draws.reserve(arms.size());
  for (const BanditArm& arm : arms) {
    draws.push_back(options_.keeps_random
                        ? random_.Uniform()
                        : PosteriorOf(arm.clicks, arm.impressions, options_.prior).Draw(random_));
  }
  return draws;
}

Result<BanditRefresh::Change> BanditRefresh::Choose(const std::vector<BanditArm>& arms) {
  const auto held = [&](const std::string& id) {
    const auto at =
        std::lower_bound(arms.begin(), arms.end(), id,
                         [](const BanditArm& a, const std::string& b) { return a.id < b; });
    return at != arms.end() && at->id == id;
  };
  auto newcomers = catalogue_.Draw(Wanted(arms.size()), arms.size(), held, random_);
  if (!newcomers.ok()) return newcomers.status();
  if (arms.empty() && newcomers->empty()) {
    return Status(StatusCode::kNotFound, "the catalogue has no items");
  }
  Change change;
  change.newcomers = std::move(*newcomers);
  // As many as can be replaced leave.
  const auto kept = Survivors(DrawsOf(arms), options_.arms - change.newcomers.size());
  auto next = kept.begin();
  for (std::size_t i = 0; i < arms.size(); ++i) {
    const bool stays = next != kept.end() && *next == i;
    if (stays) ++next;
    (stays ? change.kept : change.dropped).push_back(arms[i].id);
  }
  return change;
}

InformedPrior BanditRefresh::PriorOf(std::string_view id) const {
  const auto found = options_.priors.find(id);
  return found == options_.priors.end() ? InformedPrior{} : found->second;
}

void BanditRefresh::Write(StoreBatch* batch, const BanditArms& before, const Change& change,
                          WallTime now) const {
  const BanditKeys& keys = options_.keys;
  const std::uint64_t round = before.round + 1;
  batch->RequireHash(keys.state(), "round", std::to_string(before.round));
  batch->Delete(keys.items);
  for (const auto* ids : {&change.kept, &change.newcomers}) {
    for (const std::string& id : *ids) {
      const InformedPrior prior = PriorOf(id);
      batch->HashSet(keys.items, ClickField(id), std::to_string(1 + prior.clicks));
      batch->HashSet(keys.items, ImpressionField(id), std::to_string(1 + prior.impressions));
    }
  }
  // What was counted since it was read is of the round to come.
  batch->Increment(keys.experiments, -static_cast<std::int64_t>(before.experiments));
  batch->Delete(keys.linear());
  batch->HashSet(keys.state(), "round", std::to_string(round));
  batch->HashSet(keys.history(), std::to_string(round), History(before, change, now));
  if (round > kKeptRounds) batch->HashDelete(keys.history(), std::to_string(round - kKeptRounds));
}

std::string BanditRefresh::History(const BanditArms& before, const Change& change,
                                   WallTime now) const {
  std::string json = fmt::format("{{\"round\":{},\"at\":\"{}\"", before.round + 1, UtcTime(now));
  AppendIds(&json, "kept", change.kept);
  AppendIds(&json, "new", change.newcomers);
  AppendIds(&json, "dropped", change.dropped);
  std::int64_t clicks = 0;
  for (const BanditArm& arm : before.arms) {
    // Each at most kMostCount: no sum of so few overflows.
    clicks = std::min(clicks + arm.clicks - 1 - PriorOf(arm.id).clicks, kMostCount);
  }
  clicks = std::max<std::int64_t>(clicks, 0);
  fmt::format_to(std::back_inserter(json),
                 ",\"impressions\":{},\"clicks\":{},\"rate\":", before.experiments, clicks);
  const auto impressions = static_cast<double>(before.experiments);
  AppendJsonNumber(&json, before.experiments == 0 ? 0 : static_cast<double>(clicks) / impressions);
  return json += '}';
}

}  // namespace rivulet
