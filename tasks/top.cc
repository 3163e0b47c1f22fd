#include "tasks/top.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "algorithms/top_k.h"
#include "tasks/bar_chart.h"

namespace rivulet {
namespace {

constexpr std::uint64_t kMaxValues = 10'000;

/// Values to remember, so that the k most frequent come out right: counts are too high by at most
/// one in so many messages.
std::size_t Capacity(std::size_t k, bool keyed) {
  return keyed ? std::max<std::size_t>(100, 5 * k) : std::max<std::size_t>(1000, 20 * k);
}

/// Whoever sends the values must not be able to choose such as collide.
std::uint64_t RandomSeed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

class Ranked {
 public:
  virtual ~Ranked() = default;
  /// Those of the largest counts, largest first.
  virtual std::vector<TopK::Item> Top() const = 0;
};

class TopStatistic final : public Statistic, public Ranked {
 public:
  TopStatistic(std::size_t k, std::size_t capacity, std::uint64_t seed)
      : k_(k), seed_(seed), values_(capacity, seed) {}
  void Update(const Observation& observation) override { values_.Update(observation.text); }
  std::uint64_t count() const override { return values_.total(); }
  std::string Save() const override { return values_.Save(); }
  bool Load(std::string_view saved) override {
    auto loaded = TopK::Load(saved, seed_);
    if (!loaded || loaded->capacity() != values_.capacity()) return false;
    values_ = std::move(*loaded);
    return true;
  }
  void Summarize(Summary& summary) const override {
    summary.Table("top", {"value", "count", "error"});
    for (const TopK::Item& item : Top()) summary.Row({item.value, item.count, item.error});
  }
  void Rows(std::string_view key, Summary& summary) const override {
    for (const TopK::Item& item : Top()) summary.Row({key, item.value, item.count, item.error});
  }
  std::vector<TopK::Item> Top() const override { return values_.Top(k_); }

 private:
  std::size_t k_;
  std::uint64_t seed_;
  TopK values_;
};

class ToldTop final : public ToldStatistic, public Ranked {
 public:
  ToldTop(std::vector<TopK::Item> items, std::uint64_t count)
      : ToldStatistic(count), items_(std::move(items)) {}
  void Summarize(Summary& summary) const override {
    summary.Table("top", {"value", "count"});
    for (const TopK::Item& item : items_) summary.Row({item.value, item.count});
  }
  void Rows(std::string_view key, Summary& summary) const override {
    for (const TopK::Item& item : items_) summary.Row({key, item.value, item.count, ""});
  }
  std::vector<TopK::Item> Top() const override { return items_; }

 private:
  std::vector<TopK::Item> items_;
};

class TopForm final : public StatisticForm {
 public:
  explicit TopForm(TaskArgs& args)
      : field_(args.RequiredText("field")),
        k_(static_cast<std::size_t>(args.Uint("k", 10, 1, kMaxValues))),
        keyed_(!args.Text("by").empty()),
        seed_(RandomSeed()) {}

  std::string_view format() const override { return "top 1"; }
  std::string arguments() const override { return "field=" + field_ + ",k=" + std::to_string(k_); }
  std::string title() const override { return "the most frequent values of " + field_; }
  bool Read(const Message& message, Observation* observation) override {
    const auto text = TextOf(message, field_, &number_);
    observation->text = text.value_or(std::string_view());
    return text && text->size() <= kMaxValueBytes;
  }
  StatisticPtr Make(bool keyed) const override {
    return std::make_shared<TopStatistic>(k_, Capacity(k_, keyed), seed_);
  }
  std::vector<std::string> columns() const override { return {"value", "count", "error"}; }
  bool saves_count() const override { return true; }
  void Plot(SvgPicture& picture, const SvgBox& box, const Statistic& statistic) const override;
  std::optional<std::string> PictureOf(const Statistic& statistic) const override {
    std::vector<Bar> bars;
    for (auto& item : dynamic_cast<const Ranked&>(statistic).Top()) {
      bars.push_back({std::move(item.value), static_cast<double>(item.count)});
    }
    return BarChartSvg(title(), bars);
  }

  void Share(StoreBatch* batch, const std::string& key,
             const Observation& observation) const override {
    batch->SortedAddWithin(key, observation.text, 1,
                           static_cast<std::int64_t>(Capacity(k_, keyed_)));
  }
  void Ask(StoreBatch* batch, const std::string& key) const override {
    batch->SortedTop(key, static_cast<std::int64_t>(k_));
  }
  StatisticPtr Answer(std::span<const StoreReply> replies, std::uint64_t count) const override {
    std::vector<TopK::Item> items;
    for (const StoreItem& item : replies.front().items) {
      items.push_back(
          {item.name, static_cast<std::uint64_t>(std::clamp(item.number, 0.0, 1e18)), 0});
    }
    return std::make_shared<ToldTop>(std::move(items), count);
  }

 private:
  std::string field_;
  std::size_t k_;
  bool keyed_;
  std::uint64_t seed_;
  std::string number_;
};

void TopForm::Plot(SvgPicture& picture, const SvgBox& box, const Statistic& statistic) const {
  constexpr double kLine = 17;
  constexpr double kLabel = 92;
  const auto items = dynamic_cast<const Ranked&>(statistic).Top();
  const double greatest = items.empty() ? 1 : static_cast<double>(items.front().count);
  double y = box.top;
  for (const TopK::Item& item : items) {
    if (y + kLine > box.bottom()) break;
    picture.Text(box.left + kLabel, y + 12, item.value,
                 {.anchor = SvgAnchor::kEnd, .size = 11, .characters = 13});
    const double width = static_cast<double>(item.count) / greatest * (box.width - kLabel - 70);
    picture.Rect({box.left + kLabel + 6, y + 2, width, kLine - 5}, SvgPicture::kBlue);
    picture.Text(box.left + kLabel + 10 + width, y + 12,
                 ShortNumber(static_cast<double>(item.count)),
                 {.size = 11, .fill = SvgPicture::kPale});
    y += kLine;
  }
}

}  // namespace

std::unique_ptr<StatisticForm> MakeTopForm(TaskArgs& args) {
  return std::make_unique<TopForm>(args);
}

}  // namespace rivulet
