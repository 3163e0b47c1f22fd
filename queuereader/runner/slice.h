// Some milliseconds of messages, run on the task thread.
//
// The loop fills a slice and gives it to the executor; while it runs the loop leaves it alone, but
// for what is said to be for any thread. Then the loop carries out what it brought.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "queuereader/reader.h"
#include "queuereader/runner/failed_messages.h"
#include "queuereader/runner/ledger.h"
#include "queuereader/runner/message_name.h"
#include "queuereader/source/source.h"

namespace rivulet {

/// A batch with what the loop knows of it. Not changed once a slice may run it.
struct FetchedBatch {
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  Batch batch;
  std::vector<Ledger::Token> tokens;  // one a message; empty where none is leased
  std::shared_ptr<const std::vector<std::string>> origin_names;  // see MessageOrigin()
  std::size_t crashed = kNone;  // the message whose last try ended the process
  std::string crash;            // how

  const Delivery& delivery(std::size_t message) const { return batch.messages[message]; }
  std::string_view body(std::size_t message) const { return batch.body(batch.messages[message]); }
  bool leased(std::size_t message) const { return batch.messages[message].receipt_size > 0; }
};

/// The origin's name as it stands in messages' names: the end of one that is too long.
std::string MessageOrigin(std::string_view origin_name);
/// Of a leased message and of a line; empty of others. Borrows from the batch.
MessageName NameOf(const FetchedBatch& batch, std::size_t message);
/// The same as text. O(bytes).
void SetMessageName(const FetchedBatch& batch, std::size_t message, std::string* name);

/// What slices run with. All must outlive them.
struct SliceSurroundings {
  Reader* reader = nullptr;
  const Clock* clock = nullptr;
  FailedMessages* failed_messages = nullptr;
  Duration sleeptime_requeue{};
  std::function<bool()> stop;  // looked at between two chunks
};

class Slice {
 public:
  struct Item {
    const FetchedBatch* batch = nullptr;
    std::uint32_t message = 0;
  };
  /// What there is to say of a message but "finished" or "dropped".
  struct Remark {
    std::size_t item = 0;
    Verdict verdict;
    Status set_aside;  // of kGiveUp and kMalformed: an error when the message is not on disk
  };

  /// Makes it empty, to be filled.
  void Clear();
  void Add(std::shared_ptr<const FetchedBatch> batch, std::uint32_t message);
  const std::vector<Item>& items() const { return items_; }
  /// Keeps what an item of it points to.
  const std::shared_ptr<const FetchedBatch>& BatchOf(std::size_t item) const;
  void WantStats() { wants_stats_ = true; }

  /// On the task thread. Ends after some milliseconds, or earlier with a pause, a message that
  /// could not be set aside, a task that cannot go on, or a stop; what the reader was told of
  /// before (see Reader::Handle()) is run first, unless a task cannot go on.
  void Run(const SliceSurroundings& surroundings);
  /// Within a Reader::Handle() of this slice: the name of a message of the chunk in hand.
  MessageName Enter(std::size_t place_in_chunk);

  /// Any thread: the item whose run began last, how many were run, and the remarks about those.
  std::size_t in_hand() const { return in_hand_.load(std::memory_order_acquire); }
  std::size_t ran() const { return ran_.load(std::memory_order_acquire); }
  std::vector<Remark> TakeRemarks();

  // Once it has run.
  Duration took() const { return took_; }
  Duration pause() const { return pause_; }
  const std::optional<ReaderStats>& stats() const { return stats_; }
  /// Why the reader cannot go on; empty: it can.
  const std::string& fatal() const { return fatal_; }

 private:
  /// Messages that are handled together.
  struct Chunk {
    std::size_t at = 0;
    std::vector<Incoming> incoming;
    std::vector<std::string> ids;
  };

  void Prepare(std::size_t at, std::size_t count, Chunk* chunk);
  /// Whether there was anything to tell.
  bool Record(const SliceSurroundings& surroundings, std::size_t at, WallTime now);
  void SetAside(const SliceSurroundings& surroundings, WallTime now, Remark* remark);

  std::vector<std::shared_ptr<const FetchedBatch>> batches_;
  std::vector<Item> items_;
  bool wants_stats_ = false;

  Chunk chunk_;  // in hand
  Chunk next_;   // the reader was told of it; empty: of none
  std::vector<Verdict> verdicts_;
  bool failed_ = false;
  std::string fatal_;

  std::atomic<std::size_t> in_hand_{0};
  std::atomic<std::size_t> ran_{0};
  std::mutex mutex_;
  std::vector<Remark> remarks_;  // guarded by mutex_
  Duration took_{};
  Duration pause_{};
  std::optional<ReaderStats> stats_;
};

}  // namespace rivulet
