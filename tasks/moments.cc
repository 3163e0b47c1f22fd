#include "tasks/moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "algorithms/moments.h"

namespace rivulet {
namespace {

class MomentsStatistic final : public Statistic {
 public:
  MomentsStatistic() = default;
  explicit MomentsStatistic(const Moments& moments) : moments_(moments) {}
  void Update(const Observation& observation) override { moments_.Update(observation.x); }
  std::uint64_t count() const override { return moments_.count(); }
  std::string Save() const override { return moments_.Save(); }
  bool Load(std::string_view saved) override {
    const auto loaded = Moments::Load(saved);
    if (loaded) moments_ = *loaded;
    return loaded.has_value();
  }
  void Summarize(Summary& summary) const override {
    summary.Number("mean", moments_.mean());
    summary.Number("stddev", moments_.stddev());
    summary.Number("skewness", moments_.skewness());
    summary.Number("kurtosis", moments_.excess_kurtosis());
    summary.Number("min", moments_.min());
    summary.Number("max", moments_.max());
  }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row({key, moments_.count(), moments_.mean(), moments_.stddev(), moments_.skewness(),
                 moments_.excess_kurtosis(), moments_.min(), moments_.max()});
  }
  const Moments& moments() const { return moments_; }

 private:
  Moments moments_;
};

Moments StoredMoments(const std::vector<StoreItem>& items) {
  Moments::Sums sums;
  for (const auto& [name, text, unused] : items) {
    if (name == "n") sums.count = StoredCount(text);
    if (name == "mean") sums.mean = StoredNumber(text);
    if (name == "m2") sums.m2 = StoredNumber(text);
    if (name == "m3") sums.m3 = StoredNumber(text);
    if (name == "m4") sums.m4 = StoredNumber(text);
    if (name == "min") sums.min = StoredNumber(text);
    if (name == "max") sums.max = StoredNumber(text);
  }
  return Moments::FromSums(sums);
}

/// A curve of the normal distribution with that mean and deviation, a band of one deviation.
void PlotMoments(SvgPicture& picture, const SvgBox& box, const Moments& moments) {
  constexpr double kRoom = 34;  // for figures above the plot
  const bool small = box.width < 400;
  const SvgBox rest{box.left, box.top + kRoom, box.width, box.height - kRoom};
  const bool curved = moments.stddev() > 0 && std::isfinite(moments.stddev());
  // Where the curve is, though a few values are far away.
  const double reach = curved ? 4 * moments.stddev() : 0;
  const auto x = SvgAxis::Around(std::max(moments.min(), moments.mean() - reach),
                                 std::min(moments.max(), moments.mean() + reach));
  SvgPlot plot(picture, rest, x, {.low = 0, .high = 1.1}, false);
  const double mean = moments.mean();
  const double deviation = moments.stddev();
  const SvgBox& inner = plot.inner();
  if (curved) {
    const double left = plot.X(mean - deviation);
    picture.Rect({left, inner.top, plot.X(mean + deviation) - left, inner.height},
                 SvgPicture::kLight);
    std::vector<std::pair<double, double>> curve;
    constexpr int kPoints = 200;
    for (int i = 0; i <= kPoints; ++i) {
      const double at = x.low + (x.high - x.low) * i / kPoints;
      const double z = (at - mean) / deviation;
      curve.emplace_back(at, std::exp(-z * z / 2));
    }
    plot.Curve(curve, SvgPicture::kBlue);
  }
  for (const double end : {moments.min(), moments.max()}) {
    if (end >= x.low && end <= x.high) plot.Upright(end, SvgPicture::kPale, true);
  }
  plot.Upright(mean, SvgPicture::kRed, false);
  const double left = box.left + 18;
  picture.Text(left, box.top + 12,
               fmt::format("mean {}, deviation {}", ShortNumber(mean), ShortNumber(deviation)),
               {.size = small ? 11 : 13});
  picture.Text(
      left, box.top + 28,
      fmt::format("least {}, greatest {}{}", ShortNumber(moments.min()), ShortNumber(moments.max()),
                  small || !curved ? "" : "; the curve is a normal one of that deviation"),
      {.size = small ? 11 : 13, .fill = SvgPicture::kPale});
}

class MomentsForm final : public StatisticForm {
 public:
  explicit MomentsForm(TaskArgs& args)
      : field_(args.RequiredText("field")), minus_(args.Text("minus")) {}

  std::string_view format() const override { return "moments 1"; }
  std::string arguments() const override {
    return "field=" + field_ + (minus_.empty() ? "" : ",minus=" + minus_);
  }
  std::string title() const override {
    return "mean and deviation of " + field_ + (minus_.empty() ? "" : " - " + minus_);
  }
  bool Read(const Message& message, Observation* observation) override {
    const auto x = NumberOf(message, field_, minus_);
    observation->x = x.value_or(0);
    return x && std::abs(*x) <= kGreatestSummed;
  }
  StatisticPtr Make(bool /*keyed*/) const override { return std::make_shared<MomentsStatistic>(); }
  std::vector<std::string> columns() const override {
    return {"count", "mean", "stddev", "skewness", "kurtosis", "min", "max"};
  }
  void Plot(SvgPicture& picture, const SvgBox& box, const Statistic& statistic) const override {
    PlotMoments(picture, box, static_cast<const MomentsStatistic&>(statistic).moments());
  }

  void Share(StoreBatch* batch, const std::string& key,
             const Observation& observation) const override {
    Moments one;
    one.Update(observation.x);
    batch->MergeMoments(key, one.Save());
  }
  void Ask(StoreBatch* batch, const std::string& key) const override { batch->HashAll(key); }
  StatisticPtr Answer(std::span<const StoreReply> replies, std::uint64_t /*count*/) const override {
    return std::make_shared<MomentsStatistic>(StoredMoments(replies.front().items));
  }

 private:
  std::string field_;
  std::string minus_;  // empty: nothing is taken off
};

}  // namespace

std::unique_ptr<StatisticForm> MakeMomentsForm(TaskArgs& args) {
  return std::make_unique<MomentsForm>(args);
}

}  // namespace rivulet
