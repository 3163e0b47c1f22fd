#include "tasks/ewma.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "algorithms/ewma.h"
#include "base/units.h"
#include "tasks/bar_chart.h"

namespace rivulet {
namespace {

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

class EwmaStatistic final : public Statistic {
 public:
  explicit EwmaStatistic(double half_life) : ewma_(half_life) {}
  void Update(const Observation& observation) override {
    ewma_.Update(observation.x, observation.seconds);
  }
  std::uint64_t count() const override { return ewma_.count(); }
  std::string Save() const override { return ewma_.Save(); }
  bool Load(std::string_view saved) override {
    const auto loaded = Ewma::Load(saved);
    if (!loaded || loaded->half_life() != ewma_.half_life()) return false;
    ewma_ = *loaded;
    return true;
  }
  void Summarize(Summary& summary) const override {
    summary.Number("mean", ewma_.mean());
    summary.Number("stddev", ewma_.stddev());
    summary.Number("per_second", ewma_.PerSecond(ewma_.newest()));
  }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row(
        {key, ewma_.count(), ewma_.mean(), ewma_.stddev(), ewma_.PerSecond(ewma_.newest())});
  }
  const Ewma& ewma() const { return ewma_; }

 private:
  Ewma ewma_;
};

class EwmaForm final : public StatisticForm {
 public:
  explicit EwmaForm(TaskArgs& args)
      : field_(args.RequiredText("field")),
        minus_(args.Text("minus")),
        time_(args.Text("time")),
        half_life_(TakeDuration(args, "half_life", std::chrono::seconds(60))) {}

  std::string_view format() const override { return "ewma 1"; }
  std::string arguments() const override {
    return fmt::format("field={}{}{},half_life={}{}{}", field_,
                       minus_.empty() ? "" : ",minus=", minus_, FormatDuration(half_life_),
                       time_.empty() ? "" : ",time=", time_);
  }
  std::string title() const override {
    return fmt::format("mean of {} lately (half-life {})", Value(), FormatDuration(half_life_));
  }
  bool Read(const Message& message, Observation* observation) override {
    const auto x = NumberOf(message, field_, minus_);
    if (!x || std::abs(*x) > kGreatestSummed) return false;
    observation->x = *x;
    if (time_.empty()) return true;
    const auto seconds = SecondsOf(message, time_);
    if (!seconds || *seconds > observation->seconds + kMostSecondsAhead) return false;
    observation->seconds = *seconds;
    return true;
  }
  StatisticPtr Make(bool /*keyed*/) const override {
    return std::make_shared<EwmaStatistic>(Seconds(half_life_));
  }
  std::vector<std::string> columns() const override {
    return {"count", "mean", "stddev", "per_second"};
  }
  std::string not_shared() const override {
    return "the weights of an ewma are as of one reader's newest message; use moments or rate";
  }
  std::optional<std::string> PictureOf(const Statistic& statistic) const override {
    const Ewma& ewma = static_cast<const EwmaStatistic&>(statistic).ewma();
    return BarChartSvg(title(), {{"mean", ewma.mean()}, {"deviation", ewma.stddev()}});
  }
  std::optional<std::string> PictureOfKeys(
      const std::string& title, const std::vector<KeyedStatistic>& states) const override {
    std::vector<Bar> bars;
    bars.reserve(states.size());
    for (const auto& [key, statistic] : states) {
      bars.push_back({ShownKey(key), static_cast<const EwmaStatistic&>(*statistic).ewma().mean()});
    }
    return BarChartSvg(title, bars);
  }

 private:
  std::string Value() const { return field_ + (minus_.empty() ? "" : " - " + minus_); }

  std::string field_;
  std::string minus_;  // empty: nothing is taken off
  std::string time_;   // empty: the time of arrival
  Duration half_life_;
};

}  // namespace

std::unique_ptr<StatisticForm> MakeEwmaForm(TaskArgs& args) {
  return std::make_unique<EwmaForm>(args);
}

}  // namespace rivulet
