#include "tasks/quantiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "algorithms/quantiles.h"
#include "base/units.h"

namespace rivulet {
namespace {

constexpr std::size_t kMostAsked = 20;

struct Asked {
  std::string name;  // "p99.9"
  double q = 0;
};

class QuantilesStatistic final : public Statistic {
 public:
  QuantilesStatistic(const std::vector<Asked>& asked, Quantiles quantiles)
      : asked_(asked), quantiles_(std::move(quantiles)) {}
  void Update(const Observation& observation) override { quantiles_.Update(observation.x); }
  std::uint64_t count() const override { return quantiles_.count(); }
  std::string Save() const override { return quantiles_.Save(); }
  bool Load(std::string_view saved) override {
    auto loaded = Quantiles::Load(saved);
    if (!loaded || loaded->scale().accuracy() != quantiles_.scale().accuracy()) return false;
    quantiles_ = std::move(*loaded);
    return true;
  }
  void Summarize(Summary& summary) const override {
    for (const auto& [name, q] : asked_) summary.Number(name, At(q));
    summary.Number("min", Least());
    summary.Number("max", Greatest());
    if (quantiles_.collapsed()) {
      summary.Text("collapsed", fmt::format("the accuracy holds beyond {} from zero",
                                            ShortNumber(quantiles_.exact_above())));
    }
  }
  void Rows(std::string_view key, Summary& summary) const override {
    std::vector<Summary::Cell> cells{key, quantiles_.count()};
    for (const Asked& asked : asked_) cells.emplace_back(At(asked.q));
    cells.emplace_back(Least());
    cells.emplace_back(Greatest());
    summary.Row(std::move(cells));
  }
  /// Of buckets that came from a store, which do not tell these exactly.
  void SetRange(double min, double max) {
    ranged_ = true;
    min_ = min;
    max_ = max;
  }
  double Least() const { return ranged_ ? min_ : quantiles_.min(); }
  double Greatest() const { return ranged_ ? max_ : quantiles_.max(); }
  double At(double q) const {
    const double value = quantiles_.Quantile(q);
    if (!ranged_ || std::isnan(value)) return value;
    return q <= 0 ? min_ : q >= 1 ? max_ : std::clamp(value, min_, max_);
  }
  const Quantiles& quantiles() const { return quantiles_; }

 private:
  const std::vector<Asked>& asked_;
  Quantiles quantiles_;
  bool ranged_ = false;
  double min_ = 0;
  double max_ = 0;
};

std::vector<Asked> TakeAsked(TaskArgs& args) {
  std::vector<Asked> asked;
  const std::string text = args.Text("q", "0.5/0.9/0.99");
  std::string_view rest = text;
  while (true) {
    const std::string_view one = rest.substr(0, rest.find('/'));
    const auto q = ParseDouble(one);
    if (!q.ok() || !(*q >= 0) || !(*q <= 1) || asked.size() == kMostAsked) {
      args.Fail("q=" + text + " must be up to 20 numbers from 0 to 1, as 0.5/0.9/0.99");
      return asked;
    }
    asked.push_back({fmt::format("p{:.12g}", *q * 100), *q});
    if (one.size() == rest.size()) return asked;
    rest.remove_prefix(one.size() + 1);
  }
}

class QuantilesForm final : public StatisticForm {
 public:
  explicit QuantilesForm(TaskArgs& args)
      : field_(args.RequiredText("field")),
        minus_(args.Text("minus")),
        asked_(TakeAsked(args)),
        accuracy_(args.Number("accuracy", 0.01, QuantileScale::kLeastAccuracy,
                              QuantileScale::kMostAccuracy)),
        scale_(accuracy_) {}

  std::string_view format() const override { return "quantiles 1"; }
  // What is asked of a state may change.
  std::string arguments() const override {
    return fmt::format("field={}{}{},accuracy={}", field_, minus_.empty() ? "" : ",minus=", minus_,
                       accuracy_);
  }
  std::string title() const override {
    return "the share of " + field_ + (minus_.empty() ? "" : " - " + minus_) + " up to a value";
  }
  bool Read(const Message& message, Observation* observation) override {
    const auto x = NumberOf(message, field_, minus_);
    observation->x = x.value_or(0);
    return x.has_value();
  }
  StatisticPtr Make(bool /*keyed*/) const override {
    return std::make_shared<QuantilesStatistic>(asked_, Quantiles(accuracy_));
  }
  std::vector<std::string> columns() const override {
    std::vector<std::string> columns{"count"};
    for (const Asked& asked : asked_) columns.push_back(asked.name);
    columns.insert(columns.end(), {"min", "max"});
    return columns;
  }
  void Plot(SvgPicture& picture, const SvgBox& box, const Statistic& statistic) const override;

  void Share(StoreBatch* batch, const std::string& key,
             const Observation& observation) const override {
    batch->HashIncrement(key, std::to_string(scale_.IndexOf(observation.x)), 1);
    batch->HashMin(key, "min", observation.x);
    batch->HashMax(key, "max", observation.x);
  }
  void Ask(StoreBatch* batch, const std::string& key) const override { batch->HashAll(key); }
  StatisticPtr Answer(std::span<const StoreReply> replies, std::uint64_t /*count*/) const override;

 private:
  std::string field_;
  std::string minus_;  // empty: nothing is taken off
  std::vector<Asked> asked_;
  double accuracy_;
  QuantileScale scale_;
};

StatisticPtr QuantilesForm::Answer(std::span<const StoreReply> replies,
                                   std::uint64_t /*count*/) const {
  std::vector<std::pair<std::int64_t, std::uint64_t>> counts;
  double min = 0;
  double max = 0;
  for (const StoreItem& item : replies.front().items) {
    std::int64_t index = 0;
    if (item.name == "min") {
      min = StoredNumber(item.text);
    } else if (item.name == "max") {
      max = StoredNumber(item.text);
    } else {
      std::from_chars(item.name.data(), item.name.data() + item.name.size(), index);
      counts.emplace_back(index, StoredCount(item.text));
    }
  }
  auto statistic =
      std::make_shared<QuantilesStatistic>(asked_, Quantiles::FromBuckets(accuracy_, counts));
  if (min <= max && !counts.empty()) statistic->SetRange(min, max);
  return statistic;
}

void QuantilesForm::Plot(SvgPicture& picture, const SvgBox& box, const Statistic& statistic) const {
  const auto& state = static_cast<const QuantilesStatistic&>(statistic);
  const double least = state.Least();
  const double greatest = state.Greatest();
  const bool small = box.width < 400;
  SvgAxis x = SvgAxis::Around(least, greatest);
  if (least > 0 && greatest / least > 200) {
    x = {.low = std::pow(10, std::floor(std::log10(least))),
         .high = std::pow(10, std::ceil(std::log10(greatest))),
         .log = true};
  }
  if (!small) x.label = field_ + (minus_.empty() ? "" : " - " + minus_);
  const double room = small ? 18 : 22;  // for figures above the plot
  SvgPlot plot(picture, {box.left, box.top + room, box.width, box.height - room}, x,
               {.low = 0, .high = 1});
  std::string figures;
  const std::size_t shown = std::min<std::size_t>(asked_.size(), small ? 3 : 7);
  for (const Asked& asked : std::span(asked_).last(shown)) {
    figures += fmt::format("{}{} {}", figures.empty() ? "" : ", ", asked.name,
                           ShortNumber(state.At(asked.q)));
  }
  picture.Text(box.left + 14, box.top + 12, figures, {.size = small ? 11 : 13});
  const Quantiles& quantiles = state.quantiles();
  std::vector<std::pair<double, double>> curve{{least, 0}};
  double before = 0;
  for (const auto& [index, count] : quantiles.Buckets()) {
    const double value = std::clamp(quantiles.scale().ValueOf(index), least, greatest);
    curve.emplace_back(value, before / static_cast<double>(quantiles.count()));
    before += static_cast<double>(count);
    curve.emplace_back(value, before / static_cast<double>(quantiles.count()));
  }
  curve.emplace_back(greatest, 1);
  for (const Asked& asked : asked_) {
    const double value = state.At(asked.q);
    picture.Line(plot.inner().left, plot.Y(asked.q), plot.X(value), plot.Y(asked.q),
                 SvgPicture::kPale, 1, true);
    if (small) continue;
    picture.Line(plot.X(value), plot.Y(asked.q), plot.X(value), plot.inner().bottom(),
                 SvgPicture::kPale, 1, true);
  }
  plot.Curve(curve, SvgPicture::kBlue);
  for (const Asked& asked : asked_) {
    picture.Dot(plot.X(state.At(asked.q)), plot.Y(asked.q), SvgPicture::kRed);
  }
}

}  // namespace

std::unique_ptr<StatisticForm> MakeQuantilesForm(TaskArgs& args) {
  return std::make_unique<QuantilesForm>(args);
}

}  // namespace rivulet
