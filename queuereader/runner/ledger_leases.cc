#include <functional>

#include "queuereader/runner/ledger.h"
#include "queuereader/runner/ledger_entries.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15U;

std::size_t ReceiptHash(std::uint32_t origin, std::string_view receipt) {
  return std::hash<std::string_view>()(receipt) + origin * kOdd;
}

bool IsHeld(LedgerState state) {
  return state == LedgerState::kInHand || state == LedgerState::kDecided ||
         state == LedgerState::kWaiting || state == LedgerState::kReady;
}

}  // namespace

void LedgerEntries::Doubt(std::uint32_t origin) {
  if (doubted.size() <= origin) doubted.resize(std::size_t{origin} + 1);
  doubted[origin] = ++doubts;
}

bool LedgerEntries::IsBelieved(const LedgerEntry& entry) const {
  const std::uint32_t origin = entry.key.origin;
  return entry.asked != 0 && (origin >= doubted.size() || entry.asked >= doubted[origin]);
}

Ledger::Lease Ledger::LeaseOf(Token token, MonoTime now) const {
  const LedgerEntry& held = entries_->Of(entries_->EntryOf(token));
  if (held.state != LedgerState::kInHand || held.lost || now >= held.leased_until) {
    return Lease::kOver;
  }
  return entries_->IsBelieved(held) ? Lease::kHolds : Lease::kDoubted;
}

void Ledger::Doubt(std::uint32_t origin) { entries_->Doubt(origin); }

std::uint64_t Ledger::doubts() const { return entries_->doubts; }

bool Ledger::NextToTouch(std::size_t* at, MonoTime deadline, Token* token, std::uint32_t* origin,
                         std::string_view* receipt) {
  while (*at < entries_->pool.size()) {
    const auto number = static_cast<std::uint32_t>((*at)++);
    LedgerEntry& entry = entries_->Of(number);
    if (!IsHeld(entry.state) || entry.lost || entry.touching) continue;
    const bool doubted = entry.state == LedgerState::kInHand && !entries_->IsBelieved(entry);
    if (entry.leased_until >= deadline && !doubted) continue;
    entry.touching = true;
    *token = entries_->TokenOf(number);
    *origin = entry.key.origin;
    *receipt = entry.receipt;
    return true;
  }
  return false;
}

void Ledger::Touched(Token token, std::string_view receipt, MonoTime leased_until,
                     std::uint64_t asked) {
  LedgerEntry& entry = entries_->Of(entries_->EntryOf(token));
  if (!entry.touching || entry.receipt != receipt) return;
  entry.touching = false;
  if (entry.lost) return;
  entry.leased_until = leased_until;
  entry.asked = asked;
}

bool Ledger::NotTouched(Token token, std::string_view receipt, MonoTime now) {
  LedgerEntry& entry = entries_->Of(entries_->EntryOf(token));
  if (!entry.touching || entry.receipt != receipt) return false;
  entry.touching = false;
  return now < entry.leased_until;
}

void Ledger::Lost(std::uint32_t origin, std::string_view receipt) {
  auto& by_receipt = entries_->by_receipt;
  if (by_receipt.empty()) {
    for (std::uint32_t i = 1; i < entries_->pool.size(); ++i) {
      const LedgerEntry& entry = entries_->Of(i);
      const bool told = IsHeld(entry.state) || entry.state == LedgerState::kReturned;
      if (told && !entry.lost) by_receipt.emplace(ReceiptHash(entry.key.origin, entry.receipt), i);
    }
  }
  const auto [begin, end] = by_receipt.equal_range(ReceiptHash(origin, receipt));
  for (auto found = begin; found != end; ++found) {
    LedgerEntry& entry = entries_->Of(found->second);
    if (entry.key.origin != origin || entry.receipt != receipt) continue;
    if (entry.state == LedgerState::kReturned) {
      entries_->Free(found->second);
    } else if (IsHeld(entry.state) && !entry.lost) {
      entry.lost = true;
      if (entries_->IsBelieved(entry)) entries_->Doubt(origin);
    }
  }
}

}  // namespace rivulet
