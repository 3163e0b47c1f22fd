#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.h"
#include "queuereader/runner/runner_impl.h"

namespace rivulet {
namespace {

// The ledger's tokens have something in their low half; ours there have nothing. 0: not awaited.
constexpr unsigned kOwnTokenShift = 32;

constexpr std::size_t kMaxSettlements = 20'000;  // a turn of the loop

bool IsOwn(std::uint64_t token) { return (token & 0xffff'ffffU) == 0; }

}  // namespace

void Runner::Impl::Requeued(Settlement* settlement) {
  requeues[settlement->token] = {settlement->origin, settlement->receipt, settlement->body};
}

void Runner::Impl::SettleUnleased(const Delivery& delivery, Fate fate, std::string body,
                                  Duration delay) {
  Settlement& settlement = direct.emplace_back();
  settlement.origin = delivery.origin;
  settlement.fate = fate;
  settlement.delay = delay;
  settlement.body = std::move(body);
  settlement.place = delivery.place;
  settlement.requeued = delivery.requeued;
  if (fate != Fate::kRequeue) return;
  settlement.token = ++last_token << kOwnTokenShift;
  Requeued(&settlement);
  ended = false;
  requeued_since_fetch = true;
  empty_since.reset();
}

void Runner::Impl::SendDirect() {
  if (!direct.empty()) parts.source->Settle(std::exchange(direct, {}));
}

void Runner::Impl::SettleCovered() {
  // What waits to be sent is in the checkpoint, where there is one.
  const bool kept = parts.checkpoint != nullptr || parts.outputs == nullptr;
  const std::uint64_t delivered =
      kept ? std::numeric_limits<std::uint64_t>::max() : parts.outputs->delivered();
  std::vector<Settlement> settlements;
  settlements.reserve(std::min<std::size_t>(ledger.counts().covered, kMaxSettlements));
  ledger.TakeCovered(kMaxSettlements, delivered, parts.clock->WallNow(), &settlements);
  if (settlements.empty()) return;
  if (settlements.size() == kMaxSettlements) pump.Schedule();
  for (Settlement& settlement : settlements) {
    if (!settlement.body.empty()) Requeued(&settlement);
  }
  parts.source->Settle(std::move(settlements));
}

void Runner::Impl::OnSettled(std::uint64_t token, Settled how, const Status& why) {
  if (!requeues.empty()) {
    if (auto found = requeues.find(token); found != requeues.end()) {
      Requeue requeue = std::move(found->second);
      requeues.erase(found);
      if (how == Settled::kRefused) how = OnRefused(token, requeue, why);
    }
  }
  if (!IsOwn(token)) {
    const std::uint64_t doubts = ledger.doubts();
    ledger.OnSettled(token, how);
    if (ledger.doubts() != doubts) TouchSoon();
    dirty = true;
  }
  pump.Schedule();
}

// A leased one is still at the queue as it was.
Settled Runner::Impl::OnRefused(std::uint64_t token, const Requeue& refused, const Status& why) {
  const bool aside = SetAside(refused.body, "not put back", why.message());
  if (IsOwn(token)) {
    if (!aside) ++unplaced;
    return Settled::kRefused;
  }
  // What was decided is told again when it comes again.
  if (!aside) return Settled::kStale;
  ledger.Bury(token);
  return Settled::kRefused;
}

bool Runner::Impl::SetAside(std::string_view body, std::string_view kind, std::string_view why) {
  std::string path;
  const Status status = parts.failed_messages->Write(body, false, parts.clock->WallNow(), &path);
  if (status.ok()) {
    LogWarning("message {}, set aside in {}: {}", kind, path, why);
    return true;
  }
  Fail(Status(status.code(),
              "cannot set a message aside, so the reader stops: " + status.message()));
  return false;
}

}  // namespace rivulet
