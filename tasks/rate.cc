#include "tasks/rate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "algorithms/rate.h"
#include "base/units.h"
#include "tasks/bar_chart.h"

namespace rivulet {
namespace {

constexpr std::size_t kSlots = 60;

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// What is asked of states, and as of when.
struct RateQuestion {
  double window = 60;
  bool of_messages = true;  // and not of a field's sum
  bool by_arrival = true;
  double newest = 0;  // of the times seen

  double now() const {
    return by_arrival ? Seconds(SystemClock().WallNow().time_since_epoch()) : newest;
  }
};

class PerSecond {
 public:
  virtual ~PerSecond() = default;
  virtual double per_second() const = 0;
};

class RateStatistic final : public Statistic, public PerSecond {
 public:
  explicit RateStatistic(RateQuestion* question)
      : question_(question), rate_(question->window, kSlots) {}
  void Update(const Observation& observation) override {
    ++count_;
    rate_.Update(observation.seconds, observation.x);
    newest_ = std::max(newest_, observation.seconds);
  }
  std::uint64_t count() const override { return count_; }
  std::string Save() const override {
    std::string bytes;
    PutUint64(&bytes, count_);
    PutDouble(&bytes, newest_);
    return bytes + rate_.Save();
  }
  bool Load(std::string_view saved) override {
    ByteReader bytes(saved);
    count_ = bytes.Uint64();
    newest_ = bytes.Double();
    if (!bytes.ok()) return false;
    auto loaded = Rate::Load(saved.substr(16));
    if (!loaded || loaded->window() != rate_.window() || loaded->slots() != kSlots) return false;
    rate_ = std::move(*loaded);
    question_->newest = std::max(question_->newest, newest_);
    return true;
  }
  void Summarize(Summary& summary) const override {
    summary.Number("per_second", per_second());
    if (!question_->of_messages) summary.Number("total", rate_.total());
    summary.Number("late", rate_.late());
  }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row({key, count_, per_second()});
  }
  double per_second() const override { return rate_.PerSecond(question_->now()); }

 private:
  RateQuestion* question_;
  std::uint64_t count_ = 0;
  double newest_ = 0;
  Rate rate_;
};

class ToldRate final : public ToldStatistic, public PerSecond {
 public:
  ToldRate(double per_second, std::uint64_t count)
      : ToldStatistic(count), per_second_(per_second) {}
  void Summarize(Summary& summary) const override { summary.Number("per_second", per_second_); }
  void Rows(std::string_view key, Summary& summary) const override {
    summary.Row({key, count(), per_second_});
  }
  double per_second() const override { return per_second_; }

 private:
  double per_second_;
};

class RateForm final : public StatisticForm {
 public:
  explicit RateForm(TaskArgs& args)
      : field_(args.Text("field")),
        time_(args.Text("time")),
        window_(TakeDuration(args, "window", std::chrono::seconds(60))) {
    question_.window = Seconds(window_);
    question_.of_messages = field_.empty();
    question_.by_arrival = time_.empty();
  }

  std::string_view format() const override { return "rate 1"; }
  std::string arguments() const override {
    return fmt::format("{}{}window={}{}{}", field_.empty() ? "" : "field=" + field_,
                       field_.empty() ? "" : ",", FormatDuration(window_),
                       time_.empty() ? "" : ",time=", time_);
  }
  std::string title() const override {
    return fmt::format("{} a second, over {}", field_.empty() ? "messages" : field_,
                       FormatDuration(window_));
  }
  bool Read(const Message& message, Observation* observation) override {
    const auto weight = field_.empty() ? std::optional<double>(1) : NumberOf(message, field_);
    if (!weight || !(*weight >= 0) || *weight > kGreatestSummed) return false;
    observation->x = *weight;
    if (!time_.empty()) {
      const auto seconds = SecondsOf(message, time_);
      if (!seconds || *seconds > observation->seconds + kMostSecondsAhead) return false;
      observation->seconds = *seconds;
    }
    question_.newest = std::max(question_.newest, observation->seconds);
    return true;
  }
  StatisticPtr Make(bool /*keyed*/) const override {
    return std::make_shared<RateStatistic>(&question_);
  }
  std::vector<std::string> columns() const override { return {"count", "per_second"}; }
  std::optional<std::string> PictureOf(const Statistic& statistic) const override {
    return BarChartSvg(title(), {{field_.empty() ? "messages" : field_, Of(statistic)}});
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
    const auto slot = Slot(observation.seconds);
    const std::string at = KeyOf(key, slot / static_cast<std::int64_t>(kSlots));
    const std::string field = std::to_string(slot);
    if (field_.empty()) {
      batch->HashIncrement(at, field, 1);
    } else {
      batch->HashAdd(at, field, observation.x);
    }
    batch->Expire(at, 3 * window_);
  }
  void Ask(StoreBatch* batch, const std::string& key) const override {
    const auto last = Slot(question_.now()) / static_cast<std::int64_t>(kSlots);
    batch->HashAll(KeyOf(key, last - 1));
    batch->HashAll(KeyOf(key, last));
  }
  StatisticPtr Answer(std::span<const StoreReply> replies, std::uint64_t count) const override;

 private:
  static double Of(const Statistic& statistic) {
    return dynamic_cast<const PerSecond&>(statistic).per_second();
  }
  static std::string KeyOf(const std::string& key, std::int64_t window) {
    return key + "|" + std::to_string(window);
  }
  double Width() const { return question_.window / static_cast<double>(kSlots); }
  std::int64_t Slot(double seconds) const {
    return static_cast<std::int64_t>(std::clamp(std::floor(seconds / Width()), 0.0, 0x1p53));
  }

  std::string field_;  // empty: messages are counted
  std::string time_;   // empty: the time of arrival
  Duration window_;
  // States read it, and tell it what they were loaded with.
  mutable RateQuestion question_;
};

StatisticPtr RateForm::Answer(std::span<const StoreReply> replies, std::uint64_t count) const {
  Rate rate(question_.window, kSlots);
  for (const StoreReply& reply : replies) {
    for (const StoreItem& item : reply.items) {
      std::int64_t slot = 0;
      std::from_chars(item.name.data(), item.name.data() + item.name.size(), slot);
      const double weight = StoredNumber(item.text);
      // In the middle of its slot, so that rounding leaves it there.
      if (weight >= 0) rate.Update((static_cast<double>(slot) + 0.5) * Width(), weight);
    }
  }
  return std::make_shared<ToldRate>(rate.PerSecond(question_.now()), count);
}

}  // namespace

std::unique_ptr<StatisticForm> MakeRateForm(TaskArgs& args) {
  return std::make_unique<RateForm>(args);
}

}  // namespace rivulet
