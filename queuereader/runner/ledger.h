// The account of leased messages: which are in hand, what was decided of each, and which of those
// decisions were made safe, told to the queue and taken by it. What makes "at least once" from the
// queue "exactly once" in the tasks' state.
//
//   in hand ──Decide──> decided ──Cover──> covered ──TakeCovered──> settling ──done──> gone
//      └──────Return──────────────────────────────────────────────────↑ │ stale
//                                                                      └──────> awaited
//
// A message is known by its origin, its queue's incarnation, its number there, and a hash of its
// bytes (which change when it is requeued with its tries). It may come again while it stands here:
// because its lease ran out, the queue was restarted, or this process was. It is then not run
// again: the new receipt takes the old one's place, and what was decided is told to the queue with
// it. An awaited one is such that its decision could not be told: its receipt no longer held, and
// the queue did not say that the message is gone. It is awaited until it comes again, or comes with
// other bytes (another reader, or this one before a crash, put it back so), or is settled with
// those.
//
// Leases are believed until they end by this process's clock, unless their origin was doubted since
// they were asked for: the queue may have been restarted, and have forgotten them. What is in hand
// is not run then until a touch has confirmed it.
//
// A requeue that the queue had no room for (Settled::kAsItWas) is awaited too, with the body that
// it should have had: when the message comes again, as it was, that body is run in its place.
//
// At most kMaxAwaited are awaited, with at most kMaxAwaitedBytes of bodies to requeue; beyond, the
// oldest are forgotten, and counted.
//
// Pure: no clock, no I/O. Thread: one. O(1) a message, but where stated.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "queuereader/source/source.h"

namespace rivulet {

struct LedgerEntries;

class Ledger {
 public:
  /// Never one whose low 32 bits are all zero: those are the caller's, for what is past the ledger.
  using Token = std::uint64_t;
  static constexpr std::size_t kMaxAwaited = 1'000'000;
  static constexpr std::size_t kMaxAwaitedBytes = std::size_t{64} << 20;

  /// A message as it came.
  struct Receipt {
    std::uint32_t origin = 0;
    std::uint64_t incarnation = 0;
    std::uint64_t id = 0;
    std::string_view receipt;
    std::string_view body;
    MonoTime leased_until{};
    /// doubts() when it was asked for.
    std::uint64_t asked = std::numeric_limits<std::uint64_t>::max();
  };
  struct Received {
    Token token = 0;
    bool known = false;  // stands here already: is not to be run (again)
    /// What to run in place of the body that came: what the queue had no room for. Empty: nothing.
    std::string body{};
  };

  struct Decision {
    Fate fate = Fate::kFinish;
    WallTime due{};    // of kRequeue
    std::string body;  // of kRequeue; empty: as it is
    /// The decision may be told once so many emissions were delivered (Outputs::emitted()).
    std::uint64_t emitted = 0;
  };

  /// `hash_seed`: drawn at random, so that nobody can make messages that are taken for each other.
  explicit Ledger(std::uint64_t hash_seed, std::size_t max_awaited = kMaxAwaited,
                  std::size_t max_awaited_bytes = kMaxAwaitedBytes);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// O(bytes of the body).
  Received Receive(const Receipt& receipt);
  /// Of a message in hand that was run.
  void Decide(Token token, Decision decision);
  /// Of a message in hand that was not run: it goes back. Needs no Cover().
  void Return(Token token);
  enum class Lease : std::uint8_t {
    kHolds,    // it is to be run
    kDoubted,  // not before a touch has confirmed it
    kOver,     // not in hand, or lost, or its time is over: not to be run
  };
  Lease LeaseOf(Token token, MonoTime now) const;
  bool MayRun(Token token, MonoTime now) const { return LeaseOf(token, now) == Lease::kHolds; }

  /// How many decisions there were so far; for Cover().
  std::uint64_t decisions() const;
  /// The first so many decisions are safe: a checkpoint holds them.
  void Cover(std::uint64_t decisions);
  /// Appends what the queue may be told now, at most `max`, and has not been: covered, with its
  /// emissions delivered; and what is returned. `now` turns due times into delays.
  void TakeCovered(std::size_t max, std::uint64_t emitted, WallTime now,
                   std::vector<Settlement>* settlements);
  /// One that is stale, or gone, although it was believed: its origin is doubted.
  void OnSettled(Token token, Settled how);
  /// Of a settling requeue that was refused: it is to be buried instead.
  void Bury(Token token);

  /// Leases of that origin that were asked for before this are not believed.
  void Doubt(std::uint32_t origin);
  /// How many doubts there were so far.
  std::uint64_t doubts() const;
  /// Calls `each(token, origin, receipt)` for those held here, settling ones not, whose lease ends
  /// before `deadline`, and for those in hand that are doubted; not for those whose touch has no
  /// answer yet. O(held).
  template <typename Each>
  void TouchBefore(MonoTime deadline, Each&& each) {
    std::uint32_t origin = 0;
    std::string_view receipt;
    Token token = 0;
    for (std::size_t at = 0; NextToTouch(&at, deadline, &token, &origin, &receipt);) {
      each(token, origin, receipt);
    }
  }
  /// The answer: the lease goes on; `asked`: doubts() when it was touched. Of a receipt that was
  /// lost, or is not the entry's any more: nothing.
  void Touched(Token token, std::string_view receipt, MonoTime leased_until, std::uint64_t asked);
  /// There was none. True when the lease has not ended yet.
  bool NotTouched(Token token, std::string_view receipt, MonoTime now);
  /// The receipt no longer holds: what is in hand is not to be run. What is decided is told to the
  /// queue all the same, which says whether the message is gone. Of a receipt that does not stand
  /// here (any more): nothing. One that was believed: its origin is doubted. The first one after a
  /// Receive() is O(held).
  void Lost(std::uint32_t origin, std::string_view receipt);

  struct Counts {
    std::size_t in_hand = 0;
    std::size_t decided = 0;   // and not covered
    std::size_t covered = 0;   // and not settling; with what is returned
    std::size_t settling = 0;  // likewise
    std::size_t awaited = 0;
    std::uint64_t known = 0;      // messages that came again and were not run again
    std::uint64_t forgotten = 0;  // that were awaited, beyond the limits
  };
  Counts counts() const;

  /// What was decided and not settled yet, as bytes, with the names of the origins. O(entries).
  std::string Save(const std::vector<std::string>& origin_names) const;
  /// What Load() leaves out, because its origin is not among the names now.
  struct Dropped {
    std::string origin;
    std::uint64_t decisions = 0;  // that its queue was not told of
    std::uint64_t awaited = 0;    // that it was told of, in vain
  };
  /// All of it counts as covered, and its old receipts are tried first, of awaited ones too: what
  /// is gone by now is told by the queue. Origins that are not named
  /// now are dropped, and told. kCorrupt when it is not what Save() gave. Before anything else.
  Status Load(std::string_view saved, const std::vector<std::string>& origin_names,
              std::vector<Dropped>* dropped = nullptr);

 private:
  /// Goes on from the entry number `*at`; false when there is none left.
  bool NextToTouch(std::size_t* at, MonoTime deadline, Token* token, std::uint32_t* origin,
                   std::string_view* receipt);

  std::unique_ptr<LedgerEntries> entries_;
};

}  // namespace rivulet
