// The store in this process's memory: --store=memory: (the default). It lives as long as the
// process, and in the reader's checkpoint where there is one.
//
// A whole number is kept as one and shown as its decimal digits, as Set() would write it: "12",
// "-3"; other numbers by the shortest digits that read as they do. A batch that is refused is taken
// back (store/batch_undo.h), so that it costs what it has done, and one that is done costs some
// tens of nanoseconds a command. Keys that a message chooses cannot be made to collide.
//
// Cost: Increment(), HashIncrement() and SortedAdd() of what is held take no allocation and some
// 30 to 80 ns with up to some thousand keys, and two cache misses more with many. Memory: 64 bytes
// a key and 11 to 21 for finding it, and the key where it is longer than 24. Keys that have expired
// are freed a few a call. Of sorted sets see store/sorted_set.h, of Once() store/once_ids.h.
//
// Thread: one, but Report(), which is any's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "store/hosted_store.h"

namespace rivulet {

class MemoryCommands;

class MemoryStore final : public HostedStore {
 public:
  /// With the system's clock.
  MemoryStore();
  /// Of `clock` the wall clock is read, by which keys expire. It outlives the store.
  explicit MemoryStore(const Clock& clock);
  ~MemoryStore() override;
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  Result<std::vector<StoreReply>> Run(const StoreBatch& batch) override;
  /// Those of the store itself only where `prefix` begins as they do.
  Result<std::vector<std::string>> Keys(std::string_view prefix, StoreKind kind,
                                        std::size_t most) override;
  Result<std::optional<std::string>> Get(std::string_view key) override;
  Status Set(std::string_view key, std::string_view value) override;
  Result<std::int64_t> Increment(std::string_view key, std::int64_t by) override;
  Status Delete(std::string_view key) override;
  Result<std::int64_t> HashIncrement(std::string_view key, std::string_view field,
                                     std::int64_t by) override;
  Result<double> SortedAdd(std::string_view key, std::string_view member, double by) override;

  StoreReport Report() const override;
  /// Keys, also those that have expired and were not yet freed.
  std::size_t size() const;
  /// Of all keys, fields, members, texts and ids; 8 a number.
  std::size_t bytes() const;

  /// All of it, as bytes, with the wall time at which keys and ids are gone: what is loaded later
  /// has less of it left. Empty when there is nothing. O(bytes).
  std::string Save() const;
  /// Replaces everything. kCorrupt, and nothing is changed, when `saved` is not what Save() of this
  /// version or of the first gave.
  Status Load(std::string_view saved);

 private:
  Result<std::vector<StoreReply>> RunAtomic(const StoreBatch& batch);
  /// Around one command or batch.
  void Begin();
  void Count(std::uint64_t done, std::uint64_t failed);
  template <typename Answer>
  Answer Counted(Answer answer);

  const Clock* clock_;
  std::unique_ptr<MemoryCommands> commands_;
  // For Report(): written by one thread.
  std::atomic<std::uint64_t> done_ = 0;
  std::atomic<std::uint64_t> failed_ = 0;
  std::atomic<std::uint64_t> keys_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
};

}  // namespace rivulet
