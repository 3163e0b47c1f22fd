// A shop's day as it is simulated: when visitors come, what they like, and what came of it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <fstream>
#include <map>
#include <numbers>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/random.h"
#include "base/status.h"
#include "base/units.h"

namespace rivulet::shop {

/// The share of a day's visitors that have come at `time`, both from 0 to 1: few at night, most in
/// the afternoon.
inline double ShareCome(double time) {
  constexpr double kTurn = 2 * std::numbers::pi;
  constexpr double kSwing = 0.7;
  constexpr double kQuietest = 4.0 / 24;
  return time -
         kSwing / kTurn * (std::sin(kTurn * (time - kQuietest)) + std::sin(kTurn * kQuietest));
}

/// When the visitor comes before whom that share of all came.
inline double TimeOfVisitor(double share) {
  double low = 0;
  double high = 1;
  while (high - low > 1e-9) {
    const double middle = (low + high) / 2;
    (ShareCome(middle) < share ? low : high) = middle;
  }
  return low;
}

/// "14:05"
inline std::string ClockOf(double time) {
  const auto minutes = static_cast<int>(std::clamp(time, 0., 1.) * 24 * 60);
  return fmt::format("{:02}:{:02}", minutes / 60, minutes % 60);
}

/// "9.6 %"; `whole` is not 0.
inline std::string Percent(std::uint64_t part, std::uint64_t whole) {
  return fmt::format("{:.1f} %", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

/// How likely visitors click each picture, where it is featured.
class Tastes {
 public:
  /// One picture is clicked by `best` of those that see it, the others by a fifth to three fifths
  /// of that.
  static Tastes OneBest(const std::vector<std::string>& pictures, double best, Random* random) {
    Tastes tastes;
    const std::size_t favourite = random->Below(pictures.size());
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const double rate = best * (0.2 + 0.4 * random->Uniform());
      tastes.rates_.emplace_back(pictures[i], i == favourite ? best : rate);
    }
    return tastes;
  }
  /// Of Beta(1, 19), as of a catalogue in which most are poor: 0.05 in the middle.
  static Tastes OfCatalogue(const std::vector<std::string>& pictures, Random* random) {
    Tastes tastes;
    for (const std::string& id : pictures) tastes.rates_.emplace_back(id, random->Beta(1, 19));
    return tastes;
  }
  /// Lines of "ID RATE"; a picture that is not in the file is never clicked.
  static Result<Tastes> Read(const std::string& path, const std::vector<std::string>& pictures) {
    std::ifstream file(path);
    if (!file) return InvalidArgument(fmt::format("--rates={}: cannot be read", path));
    std::map<std::string, double, std::less<>> given;
    std::string id;
    std::string rate;
    while (file >> id >> rate) {
      const auto number = ParseDouble(rate);
      if (!number.ok() || *number < 0 || *number > 1) {
        return InvalidArgument(
            fmt::format("--rates={}: the rate '{}' of {} must be 0 to 1", path, rate, id));
      }
      given[id] = *number;
    }
    Tastes tastes;
    for (const std::string& picture : pictures) {
      const auto found = given.find(picture);
      tastes.rates_.emplace_back(picture, found == given.end() ? 0 : found->second);
    }
    return tastes;
  }

  double RateOf(std::string_view id) const {
    for (const auto& [picture, rate] : rates_) {
      if (picture == id) return rate;
    }
    return 0;
  }
  const std::string& best() const { return BestPair().first; }
  double best_rate() const { return BestPair().second; }
  double mean_rate() const {
    double sum = 0;
    for (const auto& [picture, rate] : rates_) sum += rate;
    return sum / static_cast<double>(rates_.size());
  }
  const std::vector<std::pair<std::string, double>>& rates() const { return rates_; }

  /// Tastes change: each picture is liked as another was, half the catalogue away.
  void Drift() {
    std::vector<std::pair<std::string, double>> drifted = rates_;
    for (std::size_t i = 0; i < rates_.size(); ++i) {
      drifted[(i + rates_.size() / 2) % rates_.size()].second = rates_[i].second;
    }
    rates_ = std::move(drifted);
  }

 private:
  const std::pair<std::string, double>& BestPair() const {
    return *std::max_element(rates_.begin(), rates_.end(),
                             [](const auto& a, const auto& b) { return a.second < b.second; });
  }

  std::vector<std::pair<std::string, double>> rates_;  // not empty
};

/// What came of the day so far. Regret is in clicks: those that were to be expected of the best
/// picture for all, less those that were to be expected of what was shown.
class Tally {
 public:
  explicit Tally(std::uint64_t visitors) : window_(std::max<std::uint64_t>(1, visitors / 10)) {}

  void Shown(const Tastes& tastes, const std::string& id) {
    const bool is_best = id == tastes.best();
    ++visitors_;
    ++shown_[id].shown;
    regret_ += tastes.best_rate() - tastes.RateOf(id);
    regret_at_random_ += tastes.best_rate() - tastes.mean_rate();
    clicks_at_random_ += tastes.mean_rate();
    late_best_ += is_best ? 1 : 0;
    of_late_.push_back(is_best);
    if (of_late_.size() > window_) {
      late_best_ -= of_late_.front() ? 1 : 0;
      of_late_.pop_front();
    }
  }
  void Clicked(const std::string& id) {
    ++clicks_;
    ++shown_[id].clicks;
  }

  std::uint64_t visitors() const { return visitors_; }
  std::uint64_t clicks() const { return clicks_; }
  double regret() const { return regret_; }
  double regret_at_random() const { return regret_at_random_; }
  /// Clicks that were to be expected of pictures at random.
  double clicks_at_random() const { return clicks_at_random_; }
  /// Of the last tenth of the day's visitors, those who were shown the best picture.
  double share_of_best() const {
    return of_late_.empty()
               ? 0
               : static_cast<double>(late_best_) / static_cast<double>(of_late_.size());
  }
  struct Counts {
    std::uint64_t shown = 0;
    std::uint64_t clicks = 0;
  };
  Counts CountsOf(const std::string& id) const {
    const auto found = shown_.find(id);
    return found == shown_.end() ? Counts{} : found->second;
  }

 private:
  std::size_t window_;
  std::deque<bool> of_late_;
  std::uint64_t late_best_ = 0;
  std::map<std::string, Counts> shown_;
  std::uint64_t visitors_ = 0;
  std::uint64_t clicks_ = 0;
  double regret_ = 0;
  double regret_at_random_ = 0;
  double clicks_at_random_ = 0;
};

}  // namespace rivulet::shop
