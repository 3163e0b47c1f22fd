#include "bandit/arms_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "algorithms/bandit/beta_quantile.h"
#include "base/json.h"
#include "store/store_text.h"

namespace rivulet {

namespace {

constexpr double kMass = 0.95;

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

void AppendArm(std::string* out, const Picker& picker, std::size_t index) {
  const BanditArm& arm = picker.arm(index);
  const BetaPosterior& posterior = picker.posterior(index);
  Members members(out);
  members.Text("item", arm.id);
  members.Count("clicks", arm.clicks);
  members.Count("impressions", arm.impressions);
  members.Maybe("rate", SeenRate(arm));
  members.Number("alpha", posterior.alpha);
  members.Number("beta", posterior.beta);
  members.Number("mean", posterior.mean());
  const BetaInterval likely = EqualTails(posterior.alpha, posterior.beta, kMass);
  members.Number("low", likely.low);
  members.Number("high", likely.high);
  members.Count("picked", picker.picked(index));
  members.End();
}

// What is no JSON object is shown as the text it is.
void AppendHistory(std::string* out, const std::vector<BanditRound>& history) {
  JsonDocument document;
  out->push_back('[');
  for (const BanditRound& round : history) {
    if (out->back() != '[') out->push_back(',');
    if (document.Parse(round.json, {.require_object = true}).ok()) {
      AppendJson(out, document.root());
    } else {
      AppendJsonString(out, round.json);
    }
  }
  out->push_back(']');
}

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

std::string ArmsJson(const ArmsReport& report) {
  static const BanditArms kNone;
  const BanditArms& arms = report.picker.arms() == nullptr ? kNone : *report.picker.arms();
  std::string out;
  Members members(&out);
  members.Text("policy", report.policy);
  members.Text("prior", report.prior);
  members.Text("state", ArmsStateName(report.state));
  members.Text("status", StatusText(report, arms));
  members.Maybe("age", report.age ? std::optional(Seconds(*report.age)) : std::nullopt);
  members.Count("round", arms.round);
  members.Count("experiments", arms.experiments);
  members.Count("impressions", arms.impressions);
  members.Count("clicks", arms.clicks);
  members.Count("late", arms.late());
  members.Count("arms_total", std::uint64_t{arms.arms.size()});
  members.Count("picks", report.picks);
  members.Count("fallbacks", report.fallbacks);
  members.Text("health", report.health.ok() ? "ok" : report.health.message());
  members.Number("start_time", Seconds(report.start_time.time_since_epoch()));
  std::string* const list = members.Name("arms");
  list->push_back('[');
  for (const std::size_t index : BestArms(report.picker, report.most_arms)) {
    if (list->back() != '[') list->push_back(',');
    AppendArm(list, report.picker, index);
  }
  list->push_back(']');
  AppendHistory(members.Name("history"), arms.history);
  members.End();
  return out += '\n';
}

}  // namespace rivulet
