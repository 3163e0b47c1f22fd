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
// it. An awaited one is such that its decision could not be told: its receipt no longer held.
//
// At most kMaxAwaited are awaited; beyond, the oldest are forgotten, and counted.
//
// Pure: no clock, no I/O. Thread: one. O(1) a message, but where stated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "queuereader/source.h"

namespace rivulet {

struct LedgerEntries;

class Ledger {
 public:
  using Token = std::uint64_t;
  static constexpr std::size_t kMaxAwaited = 1'000'000;

  /// A message as it came.
  struct Receipt {
    std::uint32_t origin = 0;
    std::uint64_t incarnation = 0;
    std::uint64_t id = 0;
    std::string_view receipt;
    std::string_view body;
    MonoTime leased_until{};
  };
  struct Received {
    Token token = 0;
    bool known = false;  // stands here already: is not to be run (again)
  };

  struct Decision {
    Fate fate = Fate::kFinish;
    WallTime due{};    // of kRequeue
    std::string body;  // of kRequeue; empty: as it is
    /// The decision may be told once so many emissions were delivered (Outputs::emitted()).
    std::uint64_t emitted = 0;
  };

  /// `hash_seed`: drawn at random, so that nobody can make messages that are taken for each other.
  explicit Ledger(std::uint64_t hash_seed, std::size_t max_awaited = kMaxAwaited);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  /// O(bytes of the body).
  Received Receive(const Receipt& receipt);
  /// Of a message in hand that was run.
  void Decide(Token token, Decision decision);
  /// Of a message in hand that was not run: it goes back. Needs no Cover().
  void Return(Token token);
  /// Its lease may have ended: not to be run now. In hand, and neither lost nor late.
  bool MayRun(Token token, MonoTime now) const;

  /// How many decisions there were so far; for Cover().
  std::uint64_t decisions() const;
  /// The first so many decisions are safe: a checkpoint holds them.
  void Cover(std::uint64_t decisions);
  /// Appends what the queue may be told now, at most `max`, and has not been: covered, with its
  /// emissions delivered; and what is returned. `now` turns due times into delays.
  void TakeCovered(std::size_t max, std::uint64_t emitted, WallTime now,
                   std::vector<Settlement>* settlements);
  void OnSettled(Token token, Settled how);

  /// Calls `each(origin, receipt)` for those held here, settling ones not, whose lease ends before
  /// `deadline`, and takes it that they will be prolonged until `leased_until`. O(held).
  template <typename Each>
  void TouchBefore(MonoTime deadline, MonoTime leased_until, Each&& each) {
    std::uint32_t origin = 0;
    std::string_view receipt;
    for (std::size_t at = 0; NextToTouch(&at, deadline, leased_until, &origin, &receipt);) {
      each(origin, receipt);
    }
  }
  /// The receipt no longer holds: what is in hand is not to be run, what is decided is awaited. Of
  /// a receipt that does not stand here (any more): nothing. The first one after a Receive() is
  /// O(held).
  void Lost(std::uint32_t origin, std::string_view receipt);

  struct Counts {
    std::size_t in_hand = 0;
    std::size_t decided = 0;   // and not covered
    std::size_t covered = 0;   // and not settling; with what is returned
    std::size_t settling = 0;  // likewise
    std::size_t awaited = 0;
    std::uint64_t known = 0;      // messages that came again and were not run again
    std::uint64_t forgotten = 0;  // that were awaited, beyond kMaxAwaited
  };
  Counts counts() const;

  /// What was decided and not settled yet, as bytes, with the names of the origins. O(entries).
  std::string Save(const std::vector<std::string>& origin_names) const;
  /// All of it counts as covered, and its old receipts are tried first. Origins that are not named
  /// now are dropped. kCorrupt when it is not what Save() gave. Before anything else.
  Status Load(std::string_view saved, const std::vector<std::string>& origin_names);

 private:
  /// Goes on from the entry number `*at`; false when there is none left.
  bool NextToTouch(std::size_t* at, MonoTime deadline, MonoTime leased_until, std::uint32_t* origin,
                   std::string_view* receipt);

  std::unique_ptr<LedgerEntries> entries_;
};

}  // namespace rivulet
