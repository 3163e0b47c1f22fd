// What tests of the ledger share: a ledger, and messages brought to each of its states.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "queuereader/runner/ledger.h"

namespace rivulet {

constexpr auto kSecond = std::chrono::seconds(1);
const MonoTime kNow{std::chrono::hours(1)};
const WallTime kWall{std::chrono::hours(1000)};

struct LedgerDesk {
  Ledger ledger{42};

  Ledger::Received Receive(std::uint64_t id, std::string_view receipt, std::string_view body = "x",
                           std::uint32_t origin = 0, std::uint64_t incarnation = 0) {
    return ledger.Receive({origin, incarnation, id, receipt, body, kNow + 10 * kSecond});
  }
  Ledger::Token Fresh(std::uint64_t id, std::string_view receipt, std::string_view body = "x") {
    const auto received = Receive(id, receipt, body);
    CHECK_FALSE(received.known);
    return received.token;
  }
  Ledger::Token Decided(std::uint64_t id, std::string_view receipt, Fate fate = Fate::kFinish) {
    const auto token = Fresh(id, receipt);
    ledger.Decide(token, {fate, {}, "", 0});
    return token;
  }
  Ledger::Token Covered(std::uint64_t id, std::string_view receipt) {
    const auto token = Decided(id, receipt);
    Cover();
    return token;
  }
  Ledger::Token Settling(std::uint64_t id, std::string_view receipt) {
    const auto token = Covered(id, receipt);
    CHECK(Taken() == std::vector<std::string>{std::string(receipt)});
    return token;
  }
  Ledger::Token Awaited(std::uint64_t id, std::string_view receipt) {
    const auto token = Settling(id, receipt);
    ledger.OnSettled(token, Settled::kStale);
    CHECK(ledger.counts().awaited == 1);
    return token;
  }
  void Cover() { ledger.Cover(ledger.decisions()); }
  std::vector<Settlement> Take(std::uint64_t emitted = 0, std::size_t max = 100) {
    std::vector<Settlement> settlements;
    ledger.TakeCovered(max, emitted, kWall, &settlements);
    return settlements;
  }
  std::vector<std::string> Taken(std::uint64_t emitted = 0, std::size_t max = 100) {
    std::vector<std::string> receipts;
    for (const auto& settlement : Take(emitted, max)) receipts.push_back(settlement.receipt);
    return receipts;
  }
  std::set<std::string> Touched(MonoTime deadline = MonoTime::max()) {
    std::set<std::string> receipts;
    std::vector<std::pair<Ledger::Token, std::string>> touched;
    ledger.TouchBefore(deadline, [&](Ledger::Token token, std::uint32_t, std::string_view receipt) {
      touched.emplace_back(token, receipt);
    });
    for (const auto& [token, receipt] : touched) {
      receipts.insert(receipt);
      ledger.Touched(token, receipt, kNow + 20 * kSecond, ledger.doubts());
    }
    return receipts;
  }
  bool MayRun(Ledger::Token token) const { return ledger.MayRun(token, kNow); }
  bool Empty() const {
    const auto counts = ledger.counts();
    return counts.in_hand + counts.decided + counts.covered + counts.settling + counts.awaited == 0;
  }
};

using Receipts = std::vector<std::string>;

}  // namespace rivulet
