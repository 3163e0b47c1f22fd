#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/log.h"
#include "queuereader/runner_impl.h"

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
      if (how == Settled::kRefused) OnRefused(std::move(requeue), why);
    }
  }
  if (!IsOwn(token)) {
    ledger.OnSettled(token, how);
    dirty = true;
  }
  pump.Schedule();
}

void Runner::Impl::OnRefused(Requeue refused, const Status& why) {
  if (!SetAside(refused.body, "not put back", why.message()) || refused.receipt.empty()) return;
  // The message as it was is still at the queue.
  Settlement bury;
  bury.origin = refused.origin;
  bury.receipt = std::move(refused.receipt);
  bury.fate = Fate::kBury;
  std::vector<Settlement> settlements;
  settlements.push_back(std::move(bury));
  parts.source->Settle(std::move(settlements));
}

bool Runner::Impl::SetAside(std::string_view body, std::string_view kind, std::string_view why) {
  std::string path;
  const Status status = parts.failed_messages->Write(body, false, parts.clock->WallNow(), &path);
  if (status.ok()) {
    LogWarning("message {}, set aside in {}: {}", kind, path, why);
    return true;
  }
  ++unplaced;
  Fail(Status(status.code(),
              "cannot set a message aside, so the reader stops: " + status.message()));
  return false;
}

void Runner::Impl::OnLost(std::uint32_t origin, const std::vector<std::string>& receipts) {
  for (const std::string& receipt : receipts) ledger.Lost(origin, receipt);
  pump.Schedule();
}

void Runner::Impl::Touch() {
  const MonoTime now = parts.clock->Now();
  const Duration lease = parts.source->lease();
  std::map<std::uint32_t, std::vector<std::string>> receipts;
  ledger.TouchBefore(now + lease * 2 / 3, now + lease,
                     [&](std::uint32_t origin, std::string_view receipt) {
                       receipts[origin].emplace_back(receipt);
                     });
  for (auto& [origin, held] : receipts) parts.source->Touch(origin, std::move(held));
}

}  // namespace rivulet
