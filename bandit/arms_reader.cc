#include "bandit/arms_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/units.h"

namespace rivulet {
namespace {

constexpr Duration kTotalsEvery = std::chrono::seconds(1);
constexpr int kRests = 9;  // times what a reading took

}  // namespace

ArmsReader::ArmsReader(EventLoop& loop, const Clock& clock, ArmsReaderConfig config)
    : clock_(clock),
      config_(std::move(config)),
      begin_(loop, [this] { Begin(); }),
      timer_(loop, [this] { Begin(); }),
      timeout_(loop, [this] { OnTimeout(); }) {
  for (std::size_t i = 0; i < kArmsAmounts; ++i) {
    questions_[i] = {config_.keys, config_.features, static_cast<ArmsAmount>(i)};
  }
  known_.fresh_for = config_.refresh + config_.timeout;
}

void ArmsReader::Start() { begin_.Schedule(); }

void ArmsReader::ReadNow(std::function<void()> done) {
  const MonoTime now = Now();
  waiting_.push_back({std::move(done), now + config_.timeout});
  WatchTime(now + config_.timeout, now);
  // When all that is ready has been served: a reading serves all who came in one turn.
  if (under_way_.size() < most_under_way_) begin_.Schedule();
}

// The first to be late is the first that came: a timer that runs is early enough.
void ArmsReader::WatchTime(MonoTime until, MonoTime now) {
  if (!timeout_.active()) timeout_.Start(until - now);
}

ArmsAmount ArmsReader::NextAmount(MonoTime now) {
  if (all_each_time_ || known_.arms == nullptr) return ArmsAmount::kEverything;
  if (config_.features > 0 && sums_due_) return ArmsAmount::kEverything;
  const bool totals = totals_due_ || now - totals_at_ >= kTotalsEvery;
  return totals ? ArmsAmount::kTotals : ArmsAmount::kCounters;
}

void ArmsReader::Begin() {
  if (under_way_.size() >= most_under_way_) return;
  const MonoTime now = Now();
  if (now < rests_until_) return timer_.Start(rests_until_ - now);
  timer_.Cancel();
  UnderWay& reading = under_way_.emplace_back();
  reading.number = next_number_++;
  reading.amount = NextAmount(now);
  reading.asked_at = now;
  reading.served = std::exchange(waiting_, {});
  if (reading.amount != ArmsAmount::kCounters) {
    totals_due_ = false;
    totals_at_ = now;
  }
  WatchTime(now + config_.timeout, now);
  Ask(reading.number, reading.amount);
}

void ArmsReader::Took(Number number, const Result<SharedArms>& arms, Duration took) {
  const auto at = std::find_if(under_way_.begin(), under_way_.end(),
                               [&](const UnderWay& reading) { return reading.number == number; });
  if (at == under_way_.end()) return;
  at->took += took;
  if (arms.ok() && *arms == nullptr) {
    at->amount = ArmsAmount::kEverything;
    sums_due_ = true;
    return Ask(number, at->amount);
  }
  UnderWay reading = std::move(*at);
  under_way_.erase(at);
  if (arms.ok()) {
    Know(reading, *arms);
  } else if (reading.amount != ArmsAmount::kCounters) {
    totals_due_ = true;
  }
  End(std::move(reading), arms.status());
}

void ArmsReader::Know(const UnderWay& reading, const SharedArms& arms) {
  const bool is_new = arms != known_.arms;
  // Of a new round all is to be known soon; counters that changed will go on to change.
  if (reading.amount == ArmsAmount::kCounters) totals_due_ |= arms->round != known_.arms->round;
  if (reading.amount != ArmsAmount::kTotals) sums_due_ = is_new;
  known_.arms = arms;
  known_.asked_at = std::max(known_.asked_at, reading.asked_at);
}

void ArmsReader::End(UnderWay reading, const Status& status) {
  if (status.ok()) {
    ++known_.readings;
  } else if (!reading.late) {
    ++known_.failures;
  }
  known_.status = status;
  if (config_.refresh > Duration::zero()) {
    const MonoTime now = Now();
    const Duration rest = kRests * reading.took;
    rests_until_ = now + rest;
    known_.fresh_for = std::max(config_.refresh, rest) + config_.timeout;
    timer_.Start(std::max<Duration>(reading.asked_at + config_.refresh - now, rest));
  }
  Tell(&reading.served);
  // Those who were told may have asked again.
  if (!waiting_.empty()) begin_.Schedule();
}

void ArmsReader::OnTimeout() {
  const MonoTime now = Now();
  std::vector<Waiter> over;
  MonoTime next = MonoTime::max();
  const auto take_over = [&](std::vector<Waiter>* waiters) {
    const auto rest = std::find_if(waiters->begin(), waiters->end(),
                                   [&](const Waiter& waiter) { return waiter.until > now; });
    std::move(waiters->begin(), rest, std::back_inserter(over));
    waiters->erase(waiters->begin(), rest);
    if (!waiters->empty()) next = std::min(next, waiters->front().until);
  };
  for (UnderWay& reading : under_way_) {
    if (!reading.late && now - reading.asked_at >= config_.timeout) {
      reading.late = true;
      ++known_.failures;
      known_.status = {StatusCode::kUnavailable,
                       fmt::format("{} within {}", late_text_, FormatDuration(config_.timeout))};
    }
    if (!reading.late) next = std::min(next, reading.asked_at + config_.timeout);
    take_over(&reading.served);
  }
  take_over(&waiting_);
  if (next != MonoTime::max()) WatchTime(next, now);
  Tell(&over);
}

void ArmsReader::Tell(std::vector<Waiter>* waiters) {
  for (const Waiter& waiter : std::exchange(*waiters, {})) waiter.done();
}

}  // namespace rivulet
