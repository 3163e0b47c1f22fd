#include "tasks/distinct.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "algorithms/hyperloglog.h"
#include "tasks/bar_chart.h"

namespace rivulet {
namespace {

constexpr std::uint64_t kPrecision = 14;
constexpr std::uint64_t kPrecisionOfKeys = 10;
constexpr double kStoreError = 0.0081;

/// Has a number of distinct values to tell.
class Counted {
 public:
  virtual ~Counted() = default;
  virtual std::uint64_t distinct() const = 0;
};

class DistinctStatistic final : public Statistic, public Counted {
 public:
  explicit DistinctStatistic(int precision) : values_(precision) {}
  void Update(const Observation& observation) override {
    ++count_;
    values_.Update(observation.text);
  }
  std::uint64_t count() const override { return count_; }
  std::string Save() const override {
    const std::string values = values_.Save();
    std::string bytes;
    PutUint64(&bytes, count_);
    PutUint64(&bytes, values.size());
    return bytes + values;
  }
  bool Load(std::string_view saved) override {
    ByteReader bytes(saved);
    count_ = bytes.Uint64();
    const std::string_view values = bytes.Bytes(bytes.Uint64());
    if (!bytes.Finished()) return false;
    auto loaded = HyperLogLog::Load(values);
    if (!loaded || loaded->precision() != values_.precision()) return false;
    values_ = std::move(*loaded);
    return true;
  }
  void Summarize(Summary& summary) const override {
    summary.Count("distinct", distinct());
    summary.Number("standard_error", error());
  }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row({key, count_, distinct()});
  }
  std::uint64_t distinct() const override {
    return static_cast<std::uint64_t>(std::llround(values_.Estimate()));
  }

 private:
  double error() const { return values_.exact() ? 0 : values_.relative_standard_error(); }

  std::uint64_t count_ = 0;
  HyperLogLog values_;
};

class ToldDistinct final : public ToldStatistic, public Counted {
 public:
  ToldDistinct(std::uint64_t distinct, std::uint64_t count)
      : ToldStatistic(count), distinct_(distinct) {}
  void Summarize(Summary& summary) const override {
    summary.Count("distinct", distinct_);
    summary.Number("standard_error", kStoreError);
  }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row({key, count(), distinct_});
  }
  std::uint64_t distinct() const override { return distinct_; }

 private:
  std::uint64_t distinct_;
};

class DistinctForm final : public StatisticForm {
 public:
  explicit DistinctForm(TaskArgs& args)
      : field_(args.RequiredText("field")),
        precision_(static_cast<int>(
            args.Uint("precision", args.Text("by").empty() ? kPrecision : kPrecisionOfKeys,
                      HyperLogLog::kLeastPrecision, HyperLogLog::kMostPrecision))) {}

  std::string_view format() const override { return "distinct 1"; }
  std::string arguments() const override {
    return fmt::format("field={},precision={}", field_, precision_);
  }
  std::string title() const override { return "different values of " + field_; }
  bool Read(const Message& message, Observation* observation) override {
    const auto text = TextOf(message, field_, &number_);
    observation->text = text.value_or(std::string_view());
    return text.has_value();
  }
  StatisticPtr Make(bool /*keyed*/) const override {
    return std::make_shared<DistinctStatistic>(precision_);
  }
  std::vector<std::string> columns() const override { return {"count", "distinct"}; }
  std::optional<std::string> PictureOf(const Statistic& statistic) const override {
    return BarChartSvg(title(), {{"messages", static_cast<double>(statistic.count())},
                                 {"different values", Of(statistic)}});
  }
  std::optional<std::string> PictureOfKeys(
      const std::string& title, const std::vector<KeyedStatistic>& states) const override {
    std::vector<Bar> bars;
    bars.reserve(states.size());
    for (const auto& [key, statistic] : states) bars.push_back({ShownKey(key), Of(*statistic)});
    return BarChartSvg(title, bars);
  }

  void Share(StoreBatch* batch, const std::string& key,
             const Observation& observation) const override {
    batch->DistinctAdd(key, observation.text);
  }
  void Ask(StoreBatch* batch, const std::string& key) const override { batch->DistinctCount(key); }
  StatisticPtr Answer(std::span<const StoreReply> replies, std::uint64_t count) const override {
    const std::int64_t distinct = std::max<std::int64_t>(0, replies.front().whole);
    return std::make_shared<ToldDistinct>(static_cast<std::uint64_t>(distinct), count);
  }

 private:
  static double Of(const Statistic& statistic) {
    return static_cast<double>(dynamic_cast<const Counted&>(statistic).distinct());
  }

  std::string field_;
  int precision_;
  std::string number_;
};

}  // namespace

std::unique_ptr<StatisticForm> MakeDistinctForm(TaskArgs& args) {
  return std::make_unique<DistinctForm>(args);
}

}  // namespace rivulet
