// A store as the program sees it that has it: what its tasks' Store does besides answering them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "store/store.h"

namespace rivulet {

struct StoreReport {
  std::string url;               // without a password
  Status status;                 // OK, or why it cannot be reached or refuses now
  std::uint64_t commands = 0;    // done
  std::uint64_t failed = 0;      // that answered an error
  std::uint64_t unknown = 0;     // of unknown outcome
  std::uint64_t connects = 0;    // of those that have connections
  std::uint64_t keys = 0;        // held in this process
  std::uint64_t bytes = 0;       // of keys and values held in this process
  std::uint64_t disk_bytes = 0;  // in files
  Duration waited{};             // Run()s have waited so long for a store that was away, in sum
};

/// Run() waits while the store is away, and tries again, as often as that can change nothing but
/// the outcome: for ever, unless the batch or the store's options have a limit, or Interrupt() was
/// called. Thread: as Store, but what says otherwise.
class HostedStore : public Store {
 public:
  /// From now on nothing waits: a Run() that does answers kUnavailable, or kUnknownOutcome. For the
  /// end of a program. Any thread.
  virtual void Interrupt() {}
  /// When a Run() has last waited for a store that was away: now, while one does; nothing: never.
  /// What watches for tasks that hang allows for that. Any thread.
  virtual std::optional<MonoTime> last_waited() const { return std::nullopt; }
  /// Any thread.
  virtual StoreReport Report() const = 0;
};

}  // namespace rivulet
