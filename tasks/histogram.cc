#include "tasks/histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "algorithms/histogram.h"

namespace rivulet {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kFar = 1e300;
constexpr std::size_t kIntegersOfKey = 4096;
constexpr std::int64_t kSharedIntegers = 32768;
constexpr std::string_view kUnder = "underflow";
constexpr std::string_view kOver = "overflow";

using Kind = HistogramScale::Kind;

class HistogramStatistic final : public Statistic {
 public:
  explicit HistogramStatistic(Histogram histogram) : histogram_(std::move(histogram)) {}
  void Update(const Observation& observation) override { histogram_.Update(observation.x); }
  std::uint64_t count() const override { return histogram_.count(); }
  // With its length, as a piece of it may be a whole one of fewer integers.
  std::string Save() const override {
    const std::string counts = histogram_.Save();
    std::string bytes;
    PutUint64(&bytes, counts.size());
    return bytes + counts;
  }
  bool Load(std::string_view saved) override {
    ByteReader bytes(saved);
    const std::string_view counts = bytes.Bytes(bytes.Uint64());
    if (!bytes.Finished()) return false;
    auto loaded = Histogram::Load(counts, &histogram_.scale());
    if (loaded) histogram_ = std::move(*loaded);
    return loaded.has_value();
  }
  void Summarize(Summary& summary) const override {
    summary.Count("underflow", histogram_.underflow());
    summary.Count("overflow", histogram_.overflow());
    for (const auto& [name, q] : kQuantiles) summary.Number(name, histogram_.Quantile(q));
    const bool integers = histogram_.scale().kind() == Kind::kIntegers;
    summary.Table("buckets", integers ? std::vector<std::string>{"value", "count"}
                                      : std::vector<std::string>{"low", "high", "count"});
    for (const HistogramBucket& bucket : Inner()) {
      if (integers) {
        summary.Row({bucket.low, bucket.count});
      } else {
        summary.Row({bucket.low, bucket.high, bucket.count});
      }
    }
  }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row({key, histogram_.count(), histogram_.underflow(), histogram_.overflow(),
                 histogram_.Quantile(0.5), histogram_.Quantile(0.9), histogram_.Quantile(0.99)});
  }
  const Histogram& histogram() const { return histogram_; }
  /// Those with a count, without underflow and overflow.
  std::vector<HistogramBucket> Inner() const {
    std::vector<HistogramBucket> buckets = histogram_.Buckets();
    const HistogramScale& scale = histogram_.scale();
    std::erase_if(buckets, [&scale](const HistogramBucket& bucket) {
      return bucket.index == scale.underflow() || bucket.index == scale.overflow();
    });
    return buckets;
  }

 private:
  static constexpr std::pair<const char*, double> kQuantiles[] = {
      {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}};
  Histogram histogram_;
};

std::optional<HistogramScale> TakeScale(TaskArgs& args, std::string* text) {
  const std::string kind = args.Text("scale", "fixed");
  const bool log = kind == "log";
  const double low = args.Number("low", log ? 1e-3 : kNone, -kFar, kFar);
  const double high = args.Number("high", log ? 1e6 : kNone, -kFar, kFar);
  const auto buckets = static_cast<std::int64_t>(
      args.Uint("buckets", 50, 1, static_cast<std::uint64_t>(HistogramScale::kMaxBuckets)));
  const auto per_decade = static_cast<std::int64_t>(args.Uint(
      "per_decade", 10, 1, static_cast<std::uint64_t>(HistogramScale::kMaxBucketsPerDecade)));
  *text = kind == "integer" ? ",scale=integer"
          : log ? fmt::format(",scale=log,low={},high={},per_decade={}", low, high, per_decade)
                : fmt::format(",low={},high={},buckets={}", low, high, buckets);
  if (kind == "integer") return HistogramScale::Integers();
  if (kind != "fixed" && !log) {
    args.Fail("scale=" + kind + " must be fixed, log or integer");
    return std::nullopt;
  }
  if (std::isnan(low) || std::isnan(high)) {
    args.Fail("needs low=NUMBER and high=NUMBER (or scale=log, or scale=integer)");
    return std::nullopt;
  }
  auto scale =
      log ? HistogramScale::Log(low, high, per_decade) : HistogramScale::Fixed(low, high, buckets);
  if (!scale) {
    args.Fail(fmt::format("low={} and high={} must be {}", low, high,
                          log ? "above 0, low the smaller one, with at most 65,534 buckets"
                              : "finite, low the smaller one"));
  }
  return scale;
}

class HistogramForm final : public StatisticForm {
 public:
  explicit HistogramForm(TaskArgs& args)
      : field_(args.RequiredText("field")),
        minus_(args.Text("minus")),
        scale_(TakeScale(args, &scale_text_).value_or(HistogramScale::Integers())) {}

  std::string_view format() const override { return "histogram 1"; }
  std::string arguments() const override {
    return "field=" + field_ + (minus_.empty() ? "" : ",minus=" + minus_) + scale_text_;
  }
  std::string title() const override {
    return "how often " + field_ + (minus_.empty() ? "" : " - " + minus_) + " was how much";
  }
  bool Read(const Message& message, Observation* observation) override {
    const auto x = NumberOf(message, field_, minus_);
    observation->x = x.value_or(0);
    return x.has_value();
  }
  StatisticPtr Make(bool keyed) const override {
    return std::make_shared<HistogramStatistic>(
        Histogram(scale_, keyed ? kIntegersOfKey : Histogram::kMaxIntegers));
  }
  std::vector<std::string> columns() const override {
    return {"count", "underflow", "overflow", "p50", "p90", "p99"};
  }
  void Plot(SvgPicture& picture, const SvgBox& box, const Statistic& statistic) const override;

  void Share(StoreBatch* batch, const std::string& key,
             const Observation& observation) const override {
    const std::int64_t index = scale_.IndexOf(observation.x);
    const bool integers = scale_.kind() == Kind::kIntegers;
    const std::int64_t least = integers ? -kSharedIntegers : 0;
    const std::int64_t end = integers ? kSharedIntegers : scale_.buckets();
    char digits[24];
    const char* stop = std::to_chars(digits, digits + sizeof digits, index).ptr;
    const std::string_view field =
        index < least  ? kUnder
        : index >= end ? kOver
                       : std::string_view(digits, static_cast<std::size_t>(stop - digits));
    batch->HashIncrement(key, field, 1);
  }
  void Ask(StoreBatch* batch, const std::string& key) const override { batch->HashAll(key); }
  StatisticPtr Answer(std::span<const StoreReply> replies, std::uint64_t /*count*/) const override;

 private:
  std::string field_;
  std::string minus_;  // empty: nothing is taken off
  std::string scale_text_;
  HistogramScale scale_;
};

StatisticPtr HistogramForm::Answer(std::span<const StoreReply> replies,
                                   std::uint64_t /*count*/) const {
  std::vector<std::pair<std::int64_t, std::uint64_t>> counts;
  for (const StoreItem& item : replies.front().items) {
    std::int64_t index = scale_.overflow();
    if (item.name == kUnder) {
      index = scale_.underflow();
    } else if (item.name != kOver) {
      std::from_chars(item.name.data(), item.name.data() + item.name.size(), index);
    }
    counts.emplace_back(index, StoredCount(item.text));
  }
  return std::make_shared<HistogramStatistic>(Histogram::FromBuckets(scale_, counts));
}

void HistogramForm::Plot(SvgPicture& picture, const SvgBox& box, const Statistic& statistic) const {
  const auto& histogram = static_cast<const HistogramStatistic&>(statistic);
  const std::vector<HistogramBucket> buckets = histogram.Inner();
  SvgAxis x{.low = scale_.low(), .high = scale_.high(), .log = scale_.kind() == Kind::kLog};
  if (scale_.kind() == Kind::kIntegers) {
    x = buckets.empty() ? SvgAxis{} : SvgAxis::Around(buckets.front().low, buckets.back().high);
  } else if (x.log && !buckets.empty()) {
    // Of many decades only those where something is.
    x.low = std::pow(10, std::floor(std::log10(buckets.front().low)));
    x.high = std::pow(10, std::ceil(std::log10(buckets.back().high)));
  }
  std::uint64_t most = 0;
  for (const HistogramBucket& bucket : buckets) most = std::max(most, bucket.count);
  const bool small = box.width < 400;
  if (!small) x.label = field_ + (minus_.empty() ? "" : " - " + minus_);
  SvgPlot plot(picture, box, x,
               SvgAxis::Around(0, static_cast<double>(std::max<std::uint64_t>(1, most)),
                               small ? "" : "messages"));
  for (const HistogramBucket& bucket : buckets) {
    plot.Bar(bucket.low, bucket.high, static_cast<double>(bucket.count));
  }
  const std::uint64_t under = histogram.histogram().underflow();
  const std::uint64_t over = histogram.histogram().overflow();
  if (under + over == 0) return;
  picture.Text(plot.inner().right(), box.top + (small ? 8 : 12),
               small ? fmt::format("{} beyond", under + over)
                     : fmt::format("{} below, {} above", under, over),
               {.anchor = SvgAnchor::kEnd, .size = 11, .fill = SvgPicture::kPale});
}

}  // namespace

std::unique_ptr<StatisticForm> MakeHistogramForm(TaskArgs& args) {
  return std::make_unique<HistogramForm>(args);
}

}  // namespace rivulet
