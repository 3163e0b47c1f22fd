// State that tasks share: strings, counters, hashes and sorted sets under keys, beside the state
// that each task keeps for itself.
//
//   auto seen = store.Increment("visitors|" + country, 1);     // one command, one answer
//   store.Run(batch);                                          // many (store/store_batch.h)
//   store.Modify("best", [&](auto old) { return Better(old, mine); });
//
// Three keep it: memory (store/memory_store.h), a folder (store/file_store.h) and a Redis server
// (store/redis_store.h), all with the same answers; store/open_store.h makes one of --store=URL.
//
// Errors name the key. kInvalidArgument: the command is wrong, or the key holds another kind of
// value; nothing was done. kConflict: something required does not hold; nothing was done.
// kUnavailable: the store cannot be reached, or refuses (full, read-only); nothing was done, and a
// later try may succeed. kUnknownOutcome: the store was lost before it answered, and doing the
// command twice would differ from once: it may or may not have been done.
//
// What a task that fails had written stays written: write last, or in one atomic batch behind
// Once(), or let the task's own state do. Header-only, for tasks in shared objects.
//
// Thread: the one that runs tasks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "store/store_batch.h"

namespace rivulet {

/// Of a hash: name and text. Of a sorted set: name and number.
struct StoreItem {
  std::string name;
  std::string text;
  double number = 0;
};

/// A command's answer.
struct StoreReply {
  enum class Kind : std::uint8_t {
    kDone,     // there is nothing to tell
    kNothing,  // no such key, field or member
    kSkipped,  // it stood behind a Once(), Admit(), HashHas() … that answered no
    kWhole,
    kNumber,
    kText,
    kItems,
    kFailed,  // of pipelined batches: `status` says why; the others were done all the same
  };
  Kind kind = Kind::kDone;
  std::int64_t whole = 0;
  double number = 0;
  std::string text;
  std::vector<StoreItem> items;
  Status status;
};

enum class StoreKind : std::uint8_t { kText, kHash, kSorted };

class Store {
 public:
  virtual ~Store() = default;

  /// Carries out all commands, in order: a reply each. An atomic batch is done whole or fails
  /// whole.
  virtual Result<std::vector<StoreReply>> Run(const StoreBatch& batch) = 0;
  /// The keys that begin with `prefix` and hold that kind, in no order: kTooLarge where there are
  /// more than `most`. O(all keys of the store).
  virtual Result<std::vector<std::string>> Keys(std::string_view prefix, StoreKind kind,
                                                std::size_t most) = 0;

  // One command each, as the batch's of the same name. Virtual for stores with a shorter way.

  /// Nothing where there is no such key.
  virtual Result<std::optional<std::string>> Get(std::string_view key) {
    return TextOf([&](StoreBatch& batch) { batch.Get(key); });
  }
  virtual Status Set(std::string_view key, std::string_view value) {
    return DoneOf([&](StoreBatch& batch) { batch.Set(key, value); });
  }
  virtual Result<std::int64_t> Increment(std::string_view key, std::int64_t by) {
    return WholeOf([&](StoreBatch& batch) { batch.Increment(key, by); });
  }
  /// OK though there was none.
  virtual Status Delete(std::string_view key) {
    return DoneOf([&](StoreBatch& batch) { batch.Delete(key); });
  }
  virtual Result<std::int64_t> HashIncrement(std::string_view key, std::string_view field,
                                             std::int64_t by) {
    return WholeOf([&](StoreBatch& batch) { batch.HashIncrement(key, field, by); });
  }
  virtual Result<double> SortedAdd(std::string_view key, std::string_view member, double by) {
    return NumberOf([&](StoreBatch& batch) { batch.SortedAdd(key, member, by); });
  }
  Status Expire(std::string_view key, Duration after) {
    return DoneOf([&](StoreBatch& batch) { batch.Expire(key, after); });
  }
  Result<std::optional<std::string>> HashGet(std::string_view key, std::string_view field) {
    return TextOf([&](StoreBatch& batch) { batch.HashGet(key, field); });
  }
  Status HashSet(std::string_view key, std::string_view field, std::string_view value) {
    return DoneOf([&](StoreBatch& batch) { batch.HashSet(key, field, value); });
  }
  /// Name and text of each field, in no order.
  Result<std::vector<StoreItem>> HashAll(std::string_view key) {
    return ItemsOf([&](StoreBatch& batch) { batch.HashAll(key); });
  }
  Status SortedSet(std::string_view key, std::string_view member, double score) {
    return DoneOf([&](StoreBatch& batch) { batch.SortedSet(key, member, score); });
  }
  /// Name and number of the (at most) `most` largest, largest first; below 0: of all.
  Result<std::vector<StoreItem>> SortedTop(std::string_view key, std::int64_t most) {
    return ItemsOf([&](StoreBatch& batch) { batch.SortedTop(key, most); });
  }

  /// Read, modify, write, as one: `change` is given the text at `key` (nothing where there is none)
  /// and returns what shall be there. It is called again where somebody else was quicker.
  template <typename Change>
  Status Modify(std::string_view key, Change change) {
    while (true) {
      auto old = Get(key);
      if (!old.ok()) return old.status();
      const std::string changed = change(std::as_const(*old));
      StoreBatch batch(StoreBatch::Mode::kAtomic);
      if (*old) {
        batch.RequireText(key, **old);
      } else {
        batch.RequireAbsent(key);
      }
      batch.Set(key, changed);
      Status status = Run(batch).status();
      if (status.code() != StatusCode::kConflict) return status;
    }
  }

 private:
  /// The one reply of a batch of one, or why there is none.
  template <typename Fill>
  Result<StoreReply> ReplyOf(Fill fill) {
    StoreBatch batch;
    fill(batch);
    auto replies = Run(batch);
    if (!replies.ok()) return replies.status();
    if (replies->front().kind == StoreReply::Kind::kFailed) return replies->front().status;
    return std::move(replies->front());
  }
  template <typename Fill>
  Status DoneOf(Fill fill) {
    return ReplyOf(fill).status();
  }
  template <typename Fill>
  Result<std::optional<std::string>> TextOf(Fill fill) {
    auto reply = ReplyOf(fill);
    if (!reply.ok()) return reply.status();
    if (reply->kind == StoreReply::Kind::kNothing) return std::optional<std::string>();
    return std::optional<std::string>(std::move(reply->text));
  }
  template <typename Fill>
  Result<std::int64_t> WholeOf(Fill fill) {
    auto reply = ReplyOf(fill);
    if (!reply.ok()) return reply.status();
    return reply->whole;
  }
  template <typename Fill>
  Result<double> NumberOf(Fill fill) {
    auto reply = ReplyOf(fill);
    if (!reply.ok()) return reply.status();
    return reply->number;
  }
  template <typename Fill>
  Result<std::vector<StoreItem>> ItemsOf(Fill fill) {
    auto reply = ReplyOf(fill);
    if (!reply.ok()) return reply.status();
    return std::move(reply->items);
  }
};

}  // namespace rivulet
