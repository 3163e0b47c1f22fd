#include "tasks/regression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "algorithms/regression.h"

namespace rivulet {
namespace {

class RegressionStatistic final : public Statistic {
 public:
  void Update(const Observation& observation) override {
    line_.Update(observation.x, observation.y);
    least_ = std::min(least_, observation.x);
    greatest_ = std::max(greatest_, observation.x);
  }
  std::uint64_t count() const override { return line_.count(); }
  std::string Save() const override {
    std::string bytes;
    PutDouble(&bytes, least_);
    PutDouble(&bytes, greatest_);
    return bytes + line_.Save();
  }
  bool Load(std::string_view saved) override {
    ByteReader bytes(saved);
    least_ = bytes.Double();
    greatest_ = bytes.Double();
    if (!bytes.ok()) return false;
    const auto loaded = LinearRegression::Load(saved.substr(16));
    if (loaded) line_ = *loaded;
    return loaded.has_value();
  }
  void Summarize(Summary& summary) const override {
    summary.Number("slope", line_.slope());
    summary.Number("intercept", line_.intercept());
    summary.Number("correlation", line_.covariance().correlation());
    summary.Number("covariance", line_.covariance().sample_covariance());
    summary.Number("slope_error", line_.slope_error());
    summary.Number("deviation", line_.residual_deviation());
    summary.Number("mean_x", line_.covariance().mean_x());
    summary.Number("mean_y", line_.covariance().mean_y());
  }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row({key, line_.count(), line_.slope(), line_.intercept(),
                 line_.covariance().correlation(), line_.covariance().sample_covariance()});
  }
  const LinearRegression& line() const { return line_; }
  double least() const { return least_; }
  double greatest() const { return greatest_; }

 private:
  LinearRegression line_;
  double least_ = std::numeric_limits<double>::infinity();
  double greatest_ = -std::numeric_limits<double>::infinity();
};

class RegressionForm final : public StatisticForm {
 public:
  explicit RegressionForm(TaskArgs& args)
      : x_(args.RequiredText("x")), y_(args.RequiredText("y")) {}

  std::string_view format() const override { return "regression 1"; }
  std::string arguments() const override { return "x=" + x_ + ",y=" + y_; }
  std::string title() const override { return "the line of " + y_ + " over " + x_; }
  bool Read(const Message& message, Observation* observation) override {
    const auto x = NumberOf(message, x_);
    const auto y = NumberOf(message, y_);
    if (!x || !y) return false;
    observation->x = *x;
    observation->y = *y;
    return std::abs(*x) <= kGreatestSummed && std::abs(*y) <= kGreatestSummed;
  }
  StatisticPtr Make(bool /*keyed*/) const override {
    return std::make_shared<RegressionStatistic>();
  }
  std::vector<std::string> columns() const override {
    return {"count", "slope", "intercept", "correlation", "covariance"};
  }
  std::string not_shared() const override {
    return "sums that the store could add up lose the digits of a regression";
  }
  void Plot(SvgPicture& picture, const SvgBox& box, const Statistic& statistic) const override;

 private:
  std::string x_;
  std::string y_;
};

void RegressionForm::Plot(SvgPicture& picture, const SvgBox& box,
                          const Statistic& statistic) const {
  constexpr double kRoom = 34;  // for figures above the plot
  const auto& state = static_cast<const RegressionStatistic&>(statistic);
  const LinearRegression& line = state.line();
  const bool small = box.width < 400;
  picture.Text(box.left + 14, box.top + 12,
               fmt::format("slope {}, correlation {}", ShortNumber(line.slope()),
                           ShortNumber(line.covariance().correlation())),
               {.size = small ? 11 : 13});
  if (!std::isfinite(line.slope())) {
    picture.Text(box.left + 14, box.top + 28, "no line: all x are the same",
                 {.size = small ? 11 : 13, .fill = SvgPicture::kPale});
    return;
  }
  const double deviation = std::isfinite(line.residual_deviation()) ? line.residual_deviation() : 0;
  picture.Text(box.left + 14, box.top + 28,
               fmt::format("intercept {}, {} around it (dashed)", ShortNumber(line.intercept()),
                           ShortNumber(deviation)),
               {.size = small ? 11 : 13, .fill = SvgPicture::kPale});
  const double first = line.Predict(state.least());
  const double last = line.Predict(state.greatest());
  auto x = SvgAxis::Around(state.least(), state.greatest(), small ? "" : x_);
  auto y = SvgAxis::Around(std::min(first, last) - 2 * deviation,
                           std::max(first, last) + 2 * deviation, small ? "" : y_);
  SvgPlot plot(picture, {box.left, box.top + kRoom, box.width, box.height - kRoom}, x, y);
  for (const double off : {-deviation, deviation}) {
    picture.Line(plot.X(state.least()), plot.Y(first + off), plot.X(state.greatest()),
                 plot.Y(last + off), SvgPicture::kBlue, 1, true);
  }
  picture.Line(plot.X(state.least()), plot.Y(first), plot.X(state.greatest()), plot.Y(last),
               SvgPicture::kBlue, 2);
  picture.Dot(plot.X(line.covariance().mean_x()), plot.Y(line.covariance().mean_y()),
              SvgPicture::kRed);
}

}  // namespace

std::unique_ptr<StatisticForm> MakeRegressionForm(TaskArgs& args) {
  return std::make_unique<RegressionForm>(args);
}

}  // namespace rivulet
