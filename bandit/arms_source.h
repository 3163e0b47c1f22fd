// Where the API gets its arms from: reads a bandit (tasks/bandit_arms.h) again and again, and keeps
// the last one that it could read.
//
// Three kinds: the store of a reader in this process (bandit/reader_arms.h), a Redis server
// (bandit/redis_arms.h), and the folder of a file store that another process has
// (bandit/file_arms.h).
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/status.h"
#include "tasks/bandit_arms.h"

namespace rivulet {

/// What is known of the arms.
struct KnownArms {
  /// Never changed once it is here: a new reading is a new object, unless nothing changed. nullptr
  /// before the first.
  std::shared_ptr<const BanditArms> arms;
  /// When the store was asked for them; what it was told before then is in them.
  MonoTime asked_at{};
  /// OK, or why the last reading failed. What is known may be young all the same.
  Status status;
  /// Arms may be as old as this with all in order: until the next reading, and while it runs.
  Duration fresh_for{};
  std::uint64_t readings = 0;
  std::uint64_t failures = 0;
};

class ArmsSource {
 public:
  virtual ~ArmsSource() = default;
  ArmsSource() = default;
  ArmsSource(const ArmsSource&) = delete;
  ArmsSource& operator=(const ArmsSource&) = delete;

  /// Begins to read: at once, then every `refresh`, by the source's own timer; zero: only by
  /// ReadNow().
  virtual void Start() = 0;
  virtual const KnownArms& known() const = 0;
  /// Calls `done` once a reading that was asked of the store after this call has ended, well or
  /// not, or has taken longer than the source's timeout. All calls that wait for the next reading
  /// share one. Never calls back inside.
  virtual void ReadNow(std::function<void()> done) = 0;
};

}  // namespace rivulet
