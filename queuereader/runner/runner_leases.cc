#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "queuereader/runner/runner_impl.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxTouched = 5'000;  // a request
constexpr std::uint64_t kLoggedEvery = 50;  // failures in a row

}  // namespace

// At every third of a lease: what has five sixths of it left now is touched at the next third, with
// half of it left at least, which is enough for more tries.
void Runner::Impl::Touch() {
  if (state == State::kStopped) return;
  const MonoTime now = parts.clock->Now();
  const Duration lease = parts.source->lease();
  std::map<std::uint32_t, Touching> by_origin;
  const auto send = [&](std::uint32_t origin, Touching touching) {
    touching.origin = origin;
    touching.until = now + lease;
    touching.asked = ledger.doubts();
    SendTouch(std::move(touching));
  };
  ledger.TouchBefore(now + lease * 5 / 6,
                     [&](Ledger::Token token, std::uint32_t origin, std::string_view receipt) {
                       Touching& touching = by_origin[origin];
                       touching.tokens.push_back(token);
                       touching.receipts.emplace_back(receipt);
                       if (touching.tokens.size() < kMaxTouched) return;
                       Touching full;
                       std::swap(full, touching);
                       send(origin, std::move(full));
                     });
  for (auto& [origin, touching] : by_origin) {
    if (!touching.tokens.empty()) send(origin, std::move(touching));
  }
}

void Runner::Impl::TouchSoon() {
  if (state != State::kStopped && !touch_again.active()) touch_again.Start(Duration::zero());
}

void Runner::Impl::SendTouch(Touching touching) {
  const std::uint32_t origin = touching.origin;
  auto receipts = touching.receipts;
  parts.source->Touch(
      origin, std::move(receipts),
      [touched = std::move(touching), alive = weak_from_this()](const Status& status) {
        if (const auto self = alive.lock()) self->OnTouched(touched, status);
      });
}

void Runner::Impl::OnTouched(const Touching& touching, const Status& status) {
  if (state == State::kStopped) return;
  const MonoTime now = parts.clock->Now();
  bool in_time = false;
  for (std::size_t i = 0; i < touching.tokens.size(); ++i) {
    const Ledger::Token token = touching.tokens[i];
    const std::string& receipt = touching.receipts[i];
    if (status.ok()) {
      ledger.Touched(token, receipt, touching.until, touching.asked);
    } else {
      in_time = ledger.NotTouched(token, receipt, now) || in_time;
    }
  }
  if (status.ok()) {
    if (touch_backoff.failures() > 0) LogInfo("leases are answered for again");
    touch_backoff.Reset();
    // What was doubted since is asked about again.
    if (touching.asked != ledger.doubts()) TouchSoon();
  } else {
    if (touch_backoff.failures() % kLoggedEvery == 0) {
      LogWarning("{}; leases may end{}", status.message(), in_time ? "; tried again" : "");
    }
    // Whoever was told that the request broke wants another one at once.
    const Duration pause = touch_backoff.Next();
    in_time ? touch_again.Start(pause) : touch_again.Cancel();
  }
  pump.Schedule();
}

void Runner::Impl::OnLost(std::uint32_t origin, const std::vector<std::string>& receipts) {
  const std::uint64_t doubts = ledger.doubts();
  for (const std::string& receipt : receipts) ledger.Lost(origin, receipt);
  if (ledger.doubts() != doubts) TouchSoon();
  pump.Schedule();
}

void Runner::Impl::OnDoubted(std::uint32_t origin) {
  ledger.Doubt(origin);
  TouchSoon();
}

}  // namespace rivulet
