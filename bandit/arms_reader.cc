#include "bandit/arms_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/units.h"

namespace rivulet {
namespace {

constexpr Duration kAllEvery = std::chrono::seconds(1);

bool Same(const BanditArm& a, const BanditArm& b) {
  return a.clicks == b.clicks && a.impressions == b.impressions && a.id == b.id && a.sums == b.sums;
}

bool Same(const std::vector<BanditArm>& a, const std::vector<BanditArm>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const BanditArm& x, const BanditArm& y) { return Same(x, y); });
}

bool Same(const BanditArms& a, const BanditArms& b) {
  return a.round == b.round && a.experiments == b.experiments && a.impressions == b.impressions &&
         a.clicks == b.clicks && a.counted_impressions == b.counted_impressions &&
         a.counted_clicks == b.counted_clicks &&
         std::equal(a.history.begin(), a.history.end(), b.history.begin(), b.history.end(),
                    [](const BanditRound& x, const BanditRound& y) {
                      return x.round == y.round && x.json == y.json;
                    }) &&
         Same(a.arms, b.arms);
}

Result<std::uint64_t> RoundOf(const StoreReply& reply, const BanditKeys& keys) {
  if (reply.kind == StoreReply::Kind::kFailed) return reply.status;
  if (reply.kind == StoreReply::Kind::kNothing) return std::uint64_t{0};
  std::uint64_t round = 0;
  const char* end = reply.text.data() + reply.text.size();
  const auto [at, error] = std::from_chars(reply.text.data(), end, round);
  if (error == std::errc() && at == end) return round;
  return InvalidArgument(fmt::format("the field round of {} must be a whole number", keys.state()));
}

}  // namespace

ArmsReader::ArmsReader(EventLoop& loop, const Clock& clock, ArmsReaderConfig config)
    : clock_(clock),
      config_(std::move(config)),
      begin_(loop, [this] { Begin(); }),
      timer_(loop, [this] { Begin(); }),
      timeout_(loop, [this] { OnTimeout(); }) {}

void ArmsReader::Start() { begin_.Schedule(); }

void ArmsReader::ReadNow(std::function<void()> done) {
  waiting_.push_back({std::move(done), Now() + config_.timeout});
  if (!timeout_.active()) timeout_.Start(config_.timeout);
  // When all that is ready has been served: a reading serves all who came in one turn.
  if (!asking_) begin_.Schedule();
}

void ArmsReader::Begin() {
  if (asking_) return;
  const MonoTime now = Now();
  if (now < rests_until_) return timer_.Start(rests_until_ - now);
  timer_.Cancel();
  asking_ = true;
  slow_ = false;
  rest_ = {};
  asked_at_ = now;
  served_ = std::exchange(waiting_, {});
  const bool all = all_each_time_ || all_due_ || known_.arms == nullptr || config_.features > 0 ||
                   now - all_at_ >= kAllEvery;
  amount_ = all ? Amount::kAll : Amount::kArms;
  if (!timeout_.active()) timeout_.Start(config_.timeout);
  StoreBatch batch;
  if (all) {
    AskBandit(&batch, config_.keys, config_.features);
  } else {
    batch.HashAll(config_.keys.items);
    batch.HashGet(config_.keys.state(), "round");
  }
  Ask(std::move(batch));
}

Result<ArmsReader::SharedArms> ArmsReader::UnderstandAll(
    const std::vector<StoreReply>& replies) const {
  auto bandit = ReadBandit(replies, config_.features);
  if (!bandit.ok()) return bandit.status();
  if (known_.arms != nullptr && Same(*known_.arms, *bandit)) return known_.arms;
  return std::make_shared<const BanditArms>(std::move(*bandit));
}

Result<ArmsReader::SharedArms> ArmsReader::UnderstandArms(
    const std::vector<StoreReply>& replies) const {
  for (const StoreReply& reply : replies) {
    if (reply.kind == StoreReply::Kind::kFailed) return reply.status;
  }
  auto arms = ReadArms(replies.at(0).items);
  if (!arms.ok()) return arms.status();
  auto round = RoundOf(replies.at(1), config_.keys);
  if (!round.ok()) return round.status();
  if (*round == known_.arms->round && Same(*arms, known_.arms->arms)) return known_.arms;
  BanditArms bandit = *known_.arms;
  bandit.arms = std::move(*arms);
  bandit.round = *round;
  return std::make_shared<const BanditArms>(std::move(bandit));
}

void ArmsReader::Took(const Result<std::vector<StoreReply>>& replies) {
  if (!replies.ok()) return End(replies.status());
  const bool all = amount_ == Amount::kAll;
  auto arms = all ? UnderstandAll(*replies) : UnderstandArms(*replies);
  if (!arms.ok()) return End(arms.status());
  if (all) all_at_ = asked_at_;
  // Of a new round all is to be known soon.
  all_due_ = !all && (*arms)->round != known_.arms->round;
  known_.arms = std::move(*arms);
  End({});
}

void ArmsReader::TookNothingNew() { End({}); }

void ArmsReader::End(const Status& status) {
  asking_ = false;
  if (status.ok()) {
    known_.asked_at = asked_at_;
    ++known_.readings;
  } else if (!slow_) {
    ++known_.failures;
  }
  known_.status = status;
  const MonoTime now = Now();
  rests_until_ = now + rest_;
  if (config_.refresh > Duration::zero()) {
    timer_.Start(std::max<Duration>(asked_at_ + config_.refresh - now, rest_));
  }
  Tell(&served_);
  // Those who were told may have asked again.
  if (!waiting_.empty()) return begin_.Schedule();
  timeout_.Cancel();
}

void ArmsReader::OnTimeout() {
  const MonoTime now = Now();
  if (asking_ && !slow_ && now - asked_at_ >= config_.timeout) {
    slow_ = true;
    ++known_.failures;
    known_.status = {StatusCode::kUnavailable,
                     fmt::format("no answer within {}", FormatDuration(config_.timeout))};
  }
  std::vector<Waiter> over;
  for (std::vector<Waiter>* waiters : {&served_, &waiting_}) {
    const auto rest = std::find_if(waiters->begin(), waiters->end(),
                                   [&](const Waiter& waiter) { return waiter.until > now; });
    std::move(waiters->begin(), rest, std::back_inserter(over));
    waiters->erase(waiters->begin(), rest);
  }
  MonoTime next = MonoTime::max();
  if (!served_.empty()) next = served_.front().until;
  if (!waiting_.empty()) next = std::min(next, waiting_.front().until);
  if (asking_ && !slow_) next = std::min(next, asked_at_ + config_.timeout);
  if (next != MonoTime::max()) timeout_.Start(next - now);
  Tell(&over);
}

void ArmsReader::Tell(std::vector<Waiter>* waiters) {
  for (const Waiter& waiter : std::exchange(*waiters, {})) waiter.done();
}

}  // namespace rivulet
