#include "queuereader/runner/ledger.h"

#include <algorithm>
#include <utility>

#include "algorithms/siphash.h"
#include "queuereader/runner/ledger_entries.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15U;

}  // namespace

void LedgerIndex::Place(Cell cell) {
  std::size_t i = cell.tag & mask_;
  while (cells_[i].entry != 0) i = (i + 1) & mask_;
  cells_[i] = cell;
}

void LedgerIndex::Insert(std::uint64_t hash, std::uint32_t entry) {
  if (2 * ++size_ > cells_.size()) {
    const std::vector<Cell> old = std::exchange(cells_, std::vector<Cell>(2 * cells_.size()));
    mask_ = cells_.size() - 1;
    for (const Cell& cell : old) {
      if (cell.entry != 0) Place(cell);
    }
  }
  Place({Tag(hash), entry});
}

// What follows without a gap may belong before it (Knuth, volume 3, 6.4, algorithm R).
void LedgerIndex::Erase(std::uint64_t hash, std::uint32_t entry) {
  std::size_t hole = hash & mask_;
  while (cells_[hole].entry != entry) hole = (hole + 1) & mask_;
  for (std::size_t i = (hole + 1) & mask_; cells_[i].entry != 0; i = (i + 1) & mask_) {
    const std::size_t home = cells_[i].tag & mask_;
    if (((i - home) & mask_) < ((i - hole) & mask_)) continue;
    cells_[hole] = cells_[i];
    hole = i;
  }
  cells_[hole] = {};
  --size_;
}

LedgerEntries::LedgerEntries(std::uint64_t seed, std::size_t limit, std::size_t limit_bytes)
    : hash_seed(seed), max_awaited(limit), max_awaited_bytes(limit_bytes) {}

// Entry 0 is none: no token has a low half of zero.
std::uint32_t LedgerEntries::EntryOf(Ledger::Token token) const {
  const auto entry = static_cast<std::uint32_t>(token);
  return entry < pool.size() && pool[entry].generation == token >> 32 ? entry : 0;
}

std::uint64_t LedgerEntries::BodyHash(std::string_view body) const {
  return SipHash<1, 3>(body, hash_seed, hash_seed * kOdd);
}

std::uint64_t LedgerKey::Hash() const {
  std::uint64_t hash = id * kOdd;
  hash = (hash ^ hash >> 32) * kOdd + incarnation + origin;
  return (hash ^ hash >> 32) * kOdd >> 16;
}

std::uint32_t LedgerEntries::Find(const LedgerKey& key) const {
  return index.Find(key.Hash(), [&](std::uint32_t entry) { return pool[entry].key == key; });
}

std::uint32_t LedgerEntries::Add(const LedgerKey& key) {
  std::uint32_t entry = free.first;
  if (entry == 0) {
    entry = static_cast<std::uint32_t>(pool.size());
    pool.emplace_back();
  } else {
    // Those that are free have no order and no way back.
    free.first = pool[entry].next;
  }
  LedgerEntry& added = pool[entry];
  added.key = key;
  added.emitted = 0;
  added.fate = Fate::kFinish;
  added.asked = 0;
  added.lost = added.touching = added.as_it_was = added.renewed = added.superseded = false;
  index.Insert(key.Hash(), entry);
  return entry;
}

void LedgerEntries::Forget(std::uint32_t entry) { index.Erase(pool[entry].key.Hash(), entry); }

void LedgerEntries::Free(std::uint32_t entry) {
  Move(entry, LedgerState::kFree);
  LedgerEntry& freed = pool[entry];
  ++freed.generation;
  freed.requeue.reset();
  freed.next = free.first;
  free.first = entry;
}

LedgerList* LedgerEntries::ListOf(LedgerState state) {
  switch (state) {
    case LedgerState::kDecided:
      return &decided;
    case LedgerState::kWaiting:
      return &waiting;
    case LedgerState::kReady:
      return &ready;
    case LedgerState::kAwaited:
      return &awaited;
    case LedgerState::kReturned:
      return &returned;
    case LedgerState::kFree:
    case LedgerState::kInHand:
    case LedgerState::kSettling:
    case LedgerState::kReturning:
      break;
  }
  return nullptr;
}

void LedgerEntries::Move(std::uint32_t entry, LedgerState state) {
  LedgerEntry& moved = pool[entry];
  if (moved.state == LedgerState::kAwaited || state == LedgerState::kAwaited) {
    saved_awaited.clear();
    const std::size_t bytes = moved.requeue ? moved.requeue->body.size() : 0;
    if (moved.state == LedgerState::kAwaited) awaited_bytes -= bytes;
    if (state == LedgerState::kAwaited) awaited_bytes += bytes;
  }
  if (LedgerList* from = ListOf(moved.state)) {
    (moved.previous != 0 ? pool[moved.previous].next : from->first) = moved.next;
    (moved.next != 0 ? pool[moved.next].previous : from->last) = moved.previous;
    --from->size;
  } else if (moved.state == LedgerState::kInHand) {
    --in_hand;
  } else if (moved.state != LedgerState::kFree) {
    --settling;
  }
  moved.state = state;
  if (LedgerList* to = ListOf(state)) {
    moved.previous = to->last;
    moved.next = 0;
    (to->last != 0 ? pool[to->last].next : to->first) = entry;
    to->last = entry;
    ++to->size;
  } else if (state == LedgerState::kInHand) {
    ++in_hand;
  } else if (state != LedgerState::kFree) {
    ++settling;
  }
}

void LedgerEntries::Cover(std::uint32_t entry) {
  // Of a receipt that is lost the queue is told all the same: it says whether the message is gone.
  if (pool[entry].receipt.empty()) return Await(entry);
  Move(entry, pool[entry].emitted > delivered ? LedgerState::kWaiting : LedgerState::kReady);
}

void LedgerEntries::Await(std::uint32_t entry) {
  if (pool[entry].superseded) {
    Forget(entry);
    return Free(entry);
  }
  Move(entry, LedgerState::kAwaited);
  while (awaited.size > max_awaited || awaited_bytes > max_awaited_bytes) {
    ++forgotten;
    const std::uint32_t oldest = awaited.first;
    Forget(oldest);
    Free(oldest);
  }
}

void LedgerEntries::Supersede(const LedgerKey& key) {
  const auto awaited_before = [&](std::uint32_t number) {
    LedgerEntry& other = pool[number];
    if (other.key.body_hash == key.body_hash || other.key.id != key.id ||
        other.key.incarnation != key.incarnation || other.key.origin != key.origin) {
      return false;
    }
    other.superseded = true;
    return other.state == LedgerState::kAwaited;
  };
  while (const std::uint32_t found = index.Find(key.Hash(), awaited_before)) {
    Forget(found);
    Free(found);
  }
}

void LedgerEntries::Settle(std::uint32_t entry, WallTime now,
                           std::vector<Settlement>* settlements) {
  LedgerEntry& told = pool[entry];
  const bool returns = told.state == LedgerState::kReturned;
  Settlement& settlement = settlements->emplace_back();
  settlement.token = TokenOf(entry);
  settlement.origin = told.key.origin;
  settlement.receipt = told.receipt;
  settlement.fate = returns ? Fate::kReturn : told.fate;
  if (told.requeue && !returns) {
    settlement.delay = std::max(Duration::zero(), told.requeue->due - now);
    settlement.body = told.requeue->body;
  }
  told.renewed = false;
  Move(entry, returns ? LedgerState::kReturning : LedgerState::kSettling);
}

Ledger::Ledger(std::uint64_t hash_seed, std::size_t max_awaited, std::size_t max_awaited_bytes)
    : entries_(std::make_unique<LedgerEntries>(hash_seed, max_awaited, max_awaited_bytes)) {}
Ledger::~Ledger() = default;

Ledger::Received Ledger::Receive(const Receipt& receipt) {
  if (!entries_->by_receipt.empty()) entries_->by_receipt.clear();
  const LedgerKey key{receipt.incarnation, receipt.id, entries_->BodyHash(receipt.body),
                      receipt.origin};
  std::uint32_t entry = entries_->Find(key);
  const bool known = entry != 0;
  if (!known) entry = entries_->Add(key);
  LedgerEntry& received = entries_->Of(entry);
  received.receipt = receipt.receipt;
  received.leased_until = receipt.leased_until;
  received.asked = receipt.asked;
  received.lost = received.touching = received.superseded = false;
  entries_->Supersede(key);
  if (!known) {
    entries_->Move(entry, LedgerState::kInHand);
  } else if (received.state == LedgerState::kAwaited && received.as_it_was) {
    entries_->Move(entry, LedgerState::kInHand);
    return {entries_->TokenOf(entry), false, received.requeue->body};
  } else {
    ++entries_->known;
    if (received.state == LedgerState::kSettling) received.renewed = true;
    if (received.state == LedgerState::kAwaited) entries_->Cover(entry);
  }
  return {entries_->TokenOf(entry), known, {}};
}

void Ledger::Decide(Token token, Decision decision) {
  const std::uint32_t entry = entries_->EntryOf(token);
  LedgerEntry& decided = entries_->Of(entry);
  if (decided.state != LedgerState::kInHand) return;
  decided.fate = decision.fate;
  decided.emitted = decision.emitted;
  if (decision.fate == Fate::kRequeue) {
    // As it is: of one whose body is here, that one.
    if (decision.body.empty() && decided.as_it_was)
      decision.body = std::move(decided.requeue->body);
    decided.requeue = std::make_unique<LedgerRequeue>();
    *decided.requeue = {decision.due, std::move(decision.body)};
  } else {
    decided.requeue.reset();
  }
  decided.as_it_was = false;
  entries_->Move(entry, LedgerState::kDecided);
  ++entries_->decisions;
}

void Ledger::Return(Token token) {
  const std::uint32_t entry = entries_->EntryOf(token);
  const LedgerEntry& returned = entries_->Of(entry);
  if (returned.state != LedgerState::kInHand) return;
  // There may be room for its body by now.
  if (returned.as_it_was) return returned.lost ? entries_->Await(entry) : entries_->Cover(entry);
  // It may come again before the queue's answer does, and is to be run then.
  entries_->Forget(entry);
  if (returned.lost) return entries_->Free(entry);
  entries_->Move(entry, LedgerState::kReturned);
}

std::uint64_t Ledger::decisions() const { return entries_->decisions; }

void Ledger::Cover(std::uint64_t decisions) {
  while (entries_->covered < decisions && entries_->decided.first != 0) {
    entries_->Cover(entries_->decided.first);
    ++entries_->covered;
  }
}

void Ledger::TakeCovered(std::size_t max, std::uint64_t emitted, WallTime now,
                         std::vector<Settlement>* settlements) {
  entries_->delivered = std::max(entries_->delivered, emitted);
  LedgerList& waiting = entries_->waiting;
  while (waiting.first != 0 && entries_->Of(waiting.first).emitted <= entries_->delivered) {
    entries_->Move(waiting.first, LedgerState::kReady);
  }
  for (LedgerList* list : {&entries_->returned, &entries_->ready}) {
    for (; max > 0 && list->first != 0; --max) entries_->Settle(list->first, now, settlements);
  }
}

void Ledger::OnSettled(Token token, Settled how) {
  const std::uint32_t entry = entries_->EntryOf(token);
  LedgerEntry& settled = entries_->Of(entry);
  if (settled.state == LedgerState::kReturning) return entries_->Free(entry);
  if (settled.state != LedgerState::kSettling) return;
  if (how == Settled::kStale || how == Settled::kGone) {
    const bool doubtful = !settled.renewed && !settled.lost && entries_->IsBelieved(settled);
    if (doubtful) entries_->Doubt(settled.key.origin);
    if (how == Settled::kGone) how = Settled::kDone;
  }
  if (how == Settled::kAsItWas) {
    settled.as_it_was = settled.requeue != nullptr && !settled.requeue->body.empty();
    if (settled.as_it_was) return settled.renewed ? entries_->Cover(entry) : entries_->Await(entry);
    how = Settled::kDone;
  }
  if (how == Settled::kStale) {
    if (settled.renewed) return entries_->Cover(entry);
    return entries_->Await(entry);
  }
  if (how == Settled::kDone && settled.fate != Fate::kRequeue) entries_->Supersede(settled.key);
  entries_->Forget(entry);
  // It was requeued as it is, and came again before the queue's answer did: to be run, but whoever
  // received it was told that it is known.
  const bool came_back = how == Settled::kDone && settled.renewed && settled.requeue &&
                         settled.requeue->body.empty() && !settled.lost;
  if (came_back) return entries_->Move(entry, LedgerState::kReturned);
  entries_->Free(entry);
}

void Ledger::Bury(Token token) {
  const std::uint32_t entry = entries_->EntryOf(token);
  LedgerEntry& refused = entries_->Of(entry);
  if (refused.state != LedgerState::kSettling) return;
  refused.fate = Fate::kBury;
  refused.requeue.reset();
  refused.as_it_was = false;
  entries_->Cover(entry);
}

Ledger::Counts Ledger::counts() const {
  Counts counts;
  counts.in_hand = entries_->in_hand;
  counts.decided = entries_->decided.size;
  counts.covered = entries_->waiting.size + entries_->ready.size + entries_->returned.size;
  counts.settling = entries_->settling;
  counts.awaited = entries_->awaited.size;
  counts.known = entries_->known;
  counts.forgotten = entries_->forgotten;
  return counts;
}

}  // namespace rivulet
