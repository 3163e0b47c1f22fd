#include "bandit/arms_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/json.h"
#include "store/store_text.h"

namespace rivulet {

namespace {

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// Writes the members of an object, commas between them.
class Members {
 public:
  explicit Members(std::string* out) : out_(out) { out_->push_back('{'); }
  void Text(std::string_view name, std::string_view value) {
    Name(name);
    AppendJsonString(out_, value);
  }
  void Number(std::string_view name, double value) {
    Name(name);
    AppendJsonNumber(out_, value);
  }
  void Count(std::string_view name, std::int64_t value) {
    Name(name);
    out_->append(std::to_string(value));
  }
  void Count(std::string_view name, std::uint64_t value) {
    Name(name);
    out_->append(std::to_string(value));
  }
  void Maybe(std::string_view name, std::optional<double> value) {
    Name(name);
    if (value) return AppendJsonNumber(out_, *value);
    out_->append("null");
  }
  std::string* Name(std::string_view name) {
    if (!first_) out_->push_back(',');
    first_ = false;
    out_->append("\"").append(name).append("\":");
    return out_;
  }
  void End() { out_->push_back('}'); }

 private:
  std::string* out_;
  bool first_ = true;
};

// What is wrong now first.
std::string StatusText(const ArmsReport& report, const BanditArms& arms) {
  if (!report.status.ok()) return report.status.message();
  if (!arms.trouble.empty()) return arms.trouble;
  const std::vector<std::string>& unusable = report.picker.unusable();
  if (unusable.empty()) return "ok";
  return fmt::format("the sums of {} arms cannot be used, and they are drawn as unknown: {}",
                     unusable.size(), ShownBytes(unusable.front()));
}

}  // namespace

std::optional<double> SeenRate(const BanditArm& arm) {
  if (arm.impressions <= 1) return std::nullopt;
  return static_cast<double>(std::max<std::int64_t>(0, arm.clicks - 1)) /
         static_cast<double>(arm.impressions - 1);
}

std::vector<std::size_t> BestArms(const Picker& picker, std::size_t most) {
  std::vector<std::size_t> best(picker.size());
  std::iota(best.begin(), best.end(), std::size_t{0});
  const auto shown = best.begin() + static_cast<std::ptrdiff_t>(std::min(most, best.size()));
  std::partial_sort(best.begin(), shown, best.end(), [&picker](std::size_t a, std::size_t b) {
    const double mean_a = picker.posterior(a).mean();
    const double mean_b = picker.posterior(b).mean();
    if (mean_a != mean_b) return mean_a > mean_b;
    const std::int64_t shown_a = picker.arm(a).impressions;
    const std::int64_t shown_b = picker.arm(b).impressions;
    return shown_a != shown_b ? shown_a > shown_b : a < b;
  });
  best.erase(shown, best.end());
  return best;
}

void ShownHistory::AppendTo(std::string* out, const std::vector<BanditRound>& history) {
  std::vector<Shown> before = std::exchange(shown_, {});
  JsonDocument document;
  out->push_back('[');
  for (const BanditRound& round : history) {
    const auto known = std::find_if(before.begin(), before.end(), [&](const Shown& one) {
      return one.round.round == round.round && one.round.json == round.json;
    });
    Shown shown = known != before.end() ? std::move(*known) : Shown{round, {}};
    if (!shown.text.empty()) {
      // As it was.
    } else if (document.Parse(round.json, {.require_object = true}).ok()) {
      AppendJson(&shown.text, document.root());
    } else {
      AppendJsonString(&shown.text, round.json);
    }
    if (!shown_.empty()) out->push_back(',');
    out->append(shown.text);
    shown_.push_back(std::move(shown));
  }
  out->push_back(']');
}

ArmsJson::ArmsJson(const ArmsReport& report, LikelyRates* likely, ShownHistory* history)
    : arms_(report.picker.arms()),
      prior_(report.picker.rules().prior),
      likely_(likely),
      history_(history) {
  if (arms_ == nullptr) arms_ = std::make_shared<const BanditArms>();
  for (const std::size_t arm : BestArms(report.picker, report.most_arms)) {
    rows_.push_back({arm, report.picker.picked(arm)});
  }
  Members members(&text_);
  members.Text("policy", report.policy);
  members.Text("prior", report.prior);
  members.Text("state", ArmsStateName(report.state));
  members.Text("status", StatusText(report, *arms_));
  members.Maybe("age", report.age ? std::optional(Seconds(*report.age)) : std::nullopt);
  members.Count("round", arms_->round);
  members.Count("experiments", arms_->experiments);
  members.Count("impressions", arms_->impressions);
  members.Count("clicks", arms_->clicks);
  members.Count("late", arms_->late());
  members.Count("arms_total", std::uint64_t{arms_->arms.size()});
  members.Count("picks", report.picks);
  members.Count("fallbacks", report.fallbacks);
  members.Text("health", report.health.ok() ? "ok" : report.health.message());
  members.Number("start_time", Seconds(report.start_time.time_since_epoch()));
  members.Name("arms")->push_back('[');
}

BetaPosterior ArmsJson::PosteriorOfRow(const Row& row) const {
  const BanditArm& arm = arms_->arms[row.arm];
  return PosteriorOf(arm.clicks, arm.impressions, prior_);
}

bool ArmsJson::Continue(std::size_t cost) {
  for (; written_ < rows_.size(); ++written_) {
    const BetaPosterior posterior = PosteriorOfRow(rows_[written_]);
    const std::size_t costs = likely_->Find(posterior) != nullptr ? 1 : kUnknown;
    if (costs > cost) return false;
    cost -= costs;
    if (written_ > 0) text_.push_back(',');
    AppendArm(rows_[written_], posterior);
  }
  text_.append("],\"history\":");
  history_->AppendTo(&text_, arms_->history);
  text_.append("}\n");
  return true;
}

void ArmsJson::AppendArm(const Row& row, const BetaPosterior& posterior) {
  const BanditArm& arm = arms_->arms[row.arm];
  const BetaInterval likely = likely_->Of(posterior);
  Members members(&text_);
  members.Text("item", arm.id);
  members.Count("clicks", arm.clicks);
  members.Count("impressions", arm.impressions);
  members.Maybe("rate", SeenRate(arm));
  members.Number("alpha", posterior.alpha);
  members.Number("beta", posterior.beta);
  members.Number("mean", posterior.mean());
  members.Number("low", likely.low);
  members.Number("high", likely.high);
  members.Count("picked", row.picked);
  members.End();
}

}  // namespace rivulet
