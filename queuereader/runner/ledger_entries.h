// What a ledger is made of: its entries in one pool, found by message, and in a list for each state
// in which they wait for their turn.
//
// The index is open addressing with linear probing; a cell is half a hash and an entry's number, so
// that a look-up that finds nothing touches no entry.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "queuereader/runner/ledger.h"

namespace rivulet {

enum class LedgerState : std::uint8_t {
  kFree,
  kInHand,
  kDecided,
  kWaiting,  // covered; for its emissions to be delivered
  kReady,    // covered; the queue may be told
  kSettling,
  kAwaited,
  kReturned,   // the queue may be told that it was not run; no longer known
  kReturning,  // the queue is being told
};

/// Of a requeue.
struct LedgerRequeue {
  WallTime due{};
  std::string body;
};

/// What tells a message from another.
struct LedgerKey {
  std::uint64_t incarnation = 0;
  std::uint64_t id = 0;
  std::uint64_t body_hash = 0;
  std::uint32_t origin = 0;

  bool operator==(const LedgerKey&) const = default;
  /// Of the number and where it counts: what came with other bytes before is found too.
  std::uint64_t Hash() const;
};

struct LedgerEntry {
  LedgerKey key;
  std::uint64_t emitted = 0;
  MonoTime leased_until{};
  std::uint64_t asked = 0;       // Ledger::doubts() when its lease was; 0: in an earlier process
  std::uint32_t generation = 1;  // grows when the entry is used for another message
  std::uint32_t previous = 0;    // of its list
  std::uint32_t next = 0;
  LedgerState state = LedgerState::kFree;
  Fate fate = Fate::kFinish;
  bool lost = false;       // the receipt does not hold
  bool as_it_was = false;  // the queue has it without the body of the requeue, which is to be run
  bool touching = false;   // the queue is asked to prolong it
  // The message has other bytes by now, or is gone: it will not come again with these.
  bool superseded = false;
  bool renewed = false;  // of kSettling: the receipt is a newer one than the queue is being told
  std::string receipt;   // its memory is used again
  std::unique_ptr<LedgerRequeue> requeue;
};

/// Entries' numbers in an order. Its links are in the entries.
struct LedgerList {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::size_t size = 0;
};

class LedgerIndex {
 public:
  /// The entry that has this hash and for which `matches(entry)` is true; 0: none.
  template <typename Matches>
  std::uint32_t Find(std::uint64_t hash, Matches&& matches) const {
    for (std::size_t i = hash & mask_; cells_[i].entry != 0; i = (i + 1) & mask_) {
      if (cells_[i].tag == Tag(hash) && matches(cells_[i].entry)) return cells_[i].entry;
    }
    return 0;
  }
  void Insert(std::uint64_t hash, std::uint32_t entry);
  void Erase(std::uint64_t hash, std::uint32_t entry);

 private:
  struct Cell {
    std::uint32_t tag = 0;
    std::uint32_t entry = 0;  // 0: empty
  };
  // Its low bits say where the cell belongs: at most 2^32 cells.
  static std::uint32_t Tag(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }
  void Place(Cell cell);

  std::vector<Cell> cells_ = std::vector<Cell>(64);
  std::size_t mask_ = 63;
  std::size_t size_ = 0;
};

struct LedgerEntries {
  LedgerEntries(std::uint64_t seed, std::size_t limit, std::size_t limit_bytes);

  LedgerEntry& Of(std::uint32_t entry) { return pool[entry]; }
  /// 0 for a token that is no (longer an) entry's.
  std::uint32_t EntryOf(Ledger::Token token) const;
  Ledger::Token TokenOf(std::uint32_t entry) const {
    return std::uint64_t{pool[entry].generation} << 32 | entry;
  }

  std::uint64_t BodyHash(std::string_view body) const;
  /// The one that stands for that message; 0: none.
  std::uint32_t Find(const LedgerKey& key) const;
  /// A new one, which is indexed.
  std::uint32_t Add(const LedgerKey& key);
  void Forget(std::uint32_t entry);  // of the index alone
  void Free(std::uint32_t entry);

  LedgerList* ListOf(LedgerState state);
  /// Into the other state, and at the end of its list.
  void Move(std::uint32_t entry, LedgerState state);
  /// What was decided of it is safe.
  void Cover(std::uint32_t entry);
  void Await(std::uint32_t entry);
  /// What stands here of that message with other bytes is not awaited (any more).
  void Supersede(const LedgerKey& key);
  void Settle(std::uint32_t entry, WallTime now, std::vector<Settlement>* settlements);
  void Doubt(std::uint32_t origin);
  /// It was asked for since its origin was doubted.
  bool IsBelieved(const LedgerEntry& entry) const;

  std::vector<LedgerEntry> pool = std::vector<LedgerEntry>(1);  // the first is none
  LedgerIndex index;
  LedgerList free, decided, waiting, ready, awaited, returned;
  std::size_t in_hand = 0;
  std::size_t settling = 0;
  std::uint64_t decisions = 0;
  std::uint64_t covered = 0;    // of them
  std::uint64_t delivered = 0;  // emissions
  std::uint64_t doubts = 1;
  std::vector<std::uint64_t> doubted;  // by origin: the last one's number
  std::uint64_t known = 0;
  std::uint64_t forgotten = 0;
  std::uint64_t hash_seed;
  std::size_t max_awaited;
  std::size_t max_awaited_bytes;
  std::size_t awaited_bytes = 0;  // of their bodies
  // What Save() made of the awaited ones: there may be many, and they seldom change. Empty: they
  // did.
  std::string saved_awaited;
  // For Lost(): entries by the hash of origin and receipt, until another one is received.
  std::unordered_multimap<std::size_t, std::uint32_t> by_receipt;
};

}  // namespace rivulet
