// Commands for a store, written one after the other and carried out together.
//
//   StoreBatch batch(StoreBatch::Mode::kAtomic);
//   batch.Once("clicks", message.id());            // what follows: for this message once
//   batch.SortedAdd("graph:" + from, to, 1);
//   batch.HashIncrement("clicks", country, 1);
//   const auto replies = store.Run(batch);         // a reply each
//
// A pipelined batch (the default) is a list of commands that do not depend on each other: each
// succeeds or fails for itself, and others may see the store between two of them. An atomic one is
// done at once, seen whole or not at all, and refused whole where a key holds another kind of value
// than a command needs, or where something required does not hold.
//
// Groups: Once() begins a group, which goes to the next Once(), or to the end; Admit(), HashHas()
// and HashHolds() ask within it. Where the answer is no, the rest of the group is skipped.
//
// Keys, fields, members and values are bytes, of at most kMaxBytes each. A number is finite.
// The bytes of a batch are what the file store journals and what an isolated task sends, so a batch
// costs no allocation a command. Header-only, for tasks in shared objects. Thread: one at a time.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace rivulet {

/// The numbers stand in journals: they never change.
enum class StoreOp : std::uint8_t {
  kGet = 1,
  kSet = 2,
  kDelete = 3,
  kIncrement = 4,
  kExpire = 5,
  kHashGet = 10,
  kHashSet = 11,
  kHashDelete = 12,
  kHashIncrement = 13,
  kHashAdd = 14,
  kHashMin = 15,
  kHashMax = 16,
  kHashAll = 17,
  kHashSize = 18,
  kHashAddNumbers = 19,
  kSortedSet = 20,
  kSortedAdd = 21,
  kSortedAddWithin = 22,
  kSortedAddDecayed = 23,
  kSortedDelete = 24,
  kSortedScore = 25,
  kSortedTop = 26,
  kSortedSize = 27,
  kDistinctAdd = 30,
  kDistinctCount = 31,
  kMergeMoments = 32,
  kOnce = 40,
  kAdmit = 41,
  kRequireText = 42,
  kRequireAbsent = 43,
  kRequireHash = 44,
  kHashHas = 45,
  kHashHolds = 46,
};

/// One command of a batch, as views into it. What an operation does not use is empty or zero.
struct StoreCommand {
  StoreOp op{};
  std::string_view key{};
  std::string_view field{};  // of a hash; the member of a sorted set
  std::string_view value{};
  std::int64_t whole = 0;
  double number = 0;
};

class StoreBatch {
 public:
  enum class Mode : std::uint8_t { kPipelined, kAtomic };
  /// Of a key, a field, a member: what is longer throws std::length_error. (A value: 256 MiB.)
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  static constexpr std::size_t kMaxValueBytes = std::size_t{256} << 20;

  explicit StoreBatch(Mode mode = Mode::kPipelined) : mode_(mode) {}

  // Strings and counters.

  /// Answers text, or nothing where there is no such key.
  void Get(std::string_view key) { Put({StoreOp::kGet, key}); }
  /// Replaces whatever is at `key`, and takes its expiry away.
  void Set(std::string_view key, std::string_view value) { Put({StoreOp::kSet, key, {}, value}); }
  /// Of a key with anything at it. Answers whole: how many there were, 0 or 1.
  void Delete(std::string_view key) { Put({StoreOp::kDelete, key}); }
  /// Adds to the whole number at `key` (0 where there is none); answers the sum as whole. An error
  /// when there is no whole number, or the sum leaves 64 bits.
  void Increment(std::string_view key, std::int64_t by) {
    Put({StoreOp::kIncrement, key, {}, {}, by});
  }
  /// What is at `key` is gone so long from now; zero: never; below: at once. Answers whole, 0 or 1:
  /// whether there is anything.
  void Expire(std::string_view key, Duration after) {
    Put({StoreOp::kExpire,
         key,
         {},
         {},
         std::chrono::ceil<std::chrono::milliseconds>(after).count()});
  }

  // Hashes: fields with a text each, at one key.

  void HashGet(std::string_view key, std::string_view field) {
    Put({StoreOp::kHashGet, key, field});
  }
  void HashSet(std::string_view key, std::string_view field, std::string_view value) {
    Put({StoreOp::kHashSet, key, field, value});
  }
  void HashDelete(std::string_view key, std::string_view field) {
    Put({StoreOp::kHashDelete, key, field});
  }
  /// As Increment(), of a field.
  void HashIncrement(std::string_view key, std::string_view field, std::int64_t by) {
    Put({StoreOp::kHashIncrement, key, field, {}, by});
  }
  /// Adds to the number in a field; answers the sum as number.
  void HashAdd(std::string_view key, std::string_view field, double by) {
    Put({StoreOp::kHashAdd, key, field, {}, 0, by});
  }
  /// Adds each of `numbers` to the one in its place of a field, which holds them packed: 8 bytes
  /// each, little-endian (store/packed_numbers.h). Beyond the end of either stand zeros, so that a
  /// field has as many as the longest that came. At most kMaxNumbers; none do nothing. An error
  /// where the field holds no such, or a sum leaves the numbers.
  void HashAddNumbers(std::string_view key, std::string_view field,
                      std::span<const double> numbers) {
    Put({StoreOp::kHashAddNumbers,
         key,
         field,
         {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}});
  }
  static constexpr std::size_t kMaxNumbers = 4096;
  /// The field becomes the smaller (the larger) of what it is and `number`; answers it as number.
  void HashMin(std::string_view key, std::string_view field, double number) {
    Put({StoreOp::kHashMin, key, field, {}, 0, number});
  }
  void HashMax(std::string_view key, std::string_view field, double number) {
    Put({StoreOp::kHashMax, key, field, {}, 0, number});
  }
  /// Answers items: name and text of each field, in no order.
  void HashAll(std::string_view key) { Put({StoreOp::kHashAll, key}); }
  /// Answers whole: the number of fields.
  void HashSize(std::string_view key) { Put({StoreOp::kHashSize, key}); }

  // Sorted sets: members with a score each, at one key.

  void SortedSet(std::string_view key, std::string_view member, double score) {
    Put({StoreOp::kSortedSet, key, member, {}, 0, score});
  }
  /// Adds to the member's score (0 where it is not held); answers the sum as number.
  void SortedAdd(std::string_view key, std::string_view member, double by) {
    Put({StoreOp::kSortedAdd, key, member, {}, 0, by});
  }
  /// The same, holding at most `capacity` members: where there is no room, a member that is not
  /// held takes the place of the least one and adds to its score, by which a score is too high by
  /// at most the sum of all over `capacity` (Space-Saving; algorithms/top_k.h).
  void SortedAddWithin(std::string_view key, std::string_view member, double by,
                       std::int64_t capacity) {
    Put({StoreOp::kSortedAddWithin, key, member, {}, capacity, by});
  }
  /// Adds `by` as of `at`, where scores halve every `half_life`: they are kept as of the set's own
  /// time, its landmark, which moves when it is more than 30 half-lives ago. The field `key` of the
  /// hash kDecayedKey holds "LANDMARK HALF_LIFE", in seconds: see StoreScoreNow(). The first half
  /// life stays.
  void SortedAddDecayed(std::string_view key, std::string_view member, double by, WallTime at,
                        Duration half_life) {
    const double pair[] = {SecondsOf(at), std::chrono::duration<double>(half_life).count()};
    char bytes[sizeof pair];
    std::memcpy(bytes, pair, sizeof pair);
    Put({StoreOp::kSortedAddDecayed, key, member, {bytes, sizeof bytes}, 0, by});
  }
  void SortedDelete(std::string_view key, std::string_view member) {
    Put({StoreOp::kSortedDelete, key, member});
  }
  /// Answers number, or nothing.
  void SortedScore(std::string_view key, std::string_view member) {
    Put({StoreOp::kSortedScore, key, member});
  }
  /// Answers items, name and number, the largest scores first; of equal scores the larger member
  /// (by its bytes) first. `most` below 0: all.
  void SortedTop(std::string_view key, std::int64_t most) {
    Put({StoreOp::kSortedTop, key, {}, {}, most});
  }
  void SortedSize(std::string_view key) { Put({StoreOp::kSortedSize, key}); }

  // Summaries of streams.

  /// Counts distinct elements in bounded memory (HyperLogLog; relative standard error 0.81 %).
  /// Answers whole, 0 or 1: whether the estimate may have changed.
  void DistinctAdd(std::string_view key, std::string_view element) {
    Put({StoreOp::kDistinctAdd, key, {}, element});
  }
  /// Answers whole: the estimate.
  void DistinctCount(std::string_view key) { Put({StoreOp::kDistinctCount, key}); }
  /// Merges a Moments::Save() (algorithms/moments.h) into the hash at `key`, whose fields are n,
  /// mean, m2, m3, m4, min, max. An error where `moments` are none.
  void MergeMoments(std::string_view key, std::string_view moments) {
    Put({StoreOp::kMergeMoments, key, {}, moments});
  }

  // Of atomic batches alone: an error in others.

  /// Begins a group: is it the first time that the store is given `id` under `scope`? Answers
  /// whole, 1 or 0. What a message does is thus done once, however often it is delivered. An `id`
  /// that ends in digits, as a queue's do, costs one bit; the store remembers it until kKeptIds
  /// after the last of the million ids around it came. An empty id is always the first.
  void Once(std::string_view scope, std::string_view id) {
    Put({StoreOp::kOnce, scope, id, {}, std::chrono::milliseconds(kKeptIds).count()});
  }
  static constexpr std::chrono::hours kKeptIds{24 * 7};
  /// Where the store keeps what it needs for itself: keys with this beginning.
  static constexpr std::string_view kOwnPrefix = "rivulet|";
  static constexpr std::string_view kDecayedKey = "rivulet|decayed";
  /// Ids of a scope are at "rivulet|once|SCOPE|BEGINNING|N/2^20" as bits (`|` and `%` of them as
  /// %7C and %25), or, of ids that do not end in a number below 2^53, at "rivulet|once|SCOPE" as
  /// fields of a hash.
  static constexpr std::string_view kOncePrefix = "rivulet|once|";
  /// Begins a part of a group: adds 1 to the member's score in the sorted set at `key`, which takes
  /// at most `limit` members. Answers whole: 1, or 0 where it is not held and there is no room: the
  /// rest of the group is skipped then.
  void Admit(std::string_view key, std::string_view member, std::int64_t limit) {
    Put({StoreOp::kAdmit, key, member, {}, limit});
  }
  /// Begins a part of a group: has the hash at `key` that field (with that text)? As it is now,
  /// after the commands before. Answers whole: 1, or 0: the rest of the group is skipped then.
  void HashHas(std::string_view key, std::string_view field) {
    Put({StoreOp::kHashHas, key, field});
  }
  void HashHolds(std::string_view key, std::string_view field, std::string_view value) {
    Put({StoreOp::kHashHolds, key, field, value});
  }
  /// Must hold before the batch begins; else nothing of it is done, and Run() answers kConflict.
  void RequireText(std::string_view key, std::string_view value) {
    Put({StoreOp::kRequireText, key, {}, value});
  }
  void RequireAbsent(std::string_view key) { Put({StoreOp::kRequireAbsent, key}); }
  void RequireHash(std::string_view key, std::string_view field, std::string_view value) {
    Put({StoreOp::kRequireHash, key, field, value});
  }

  Mode mode() const { return mode_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void Clear() {
    bytes_.clear();
    size_ = 0;
  }

  /// How long Run() may wait for a store that is away; nothing: as long as the store itself waits.
  const std::optional<Duration>& patience() const { return patience_; }
  void set_patience(Duration patience) { patience_ = patience; }

  /// Goes over the commands in order. Valid while the batch is not changed.
  class Reader {
   public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}
    explicit Reader(const StoreBatch& batch) : rest_(batch.bytes_) {}
    /// False at the end, and where the bytes are no command: see ok().
    bool Next(StoreCommand* command);
    bool ok() const { return ok_; }

   private:
    std::string_view rest_;
    bool ok_ = true;
  };

  /// The commands, and what FromBytes() makes a batch of again.
  std::string_view bytes() const { return bytes_; }
  /// Nothing where `bytes` are no commands, for who reads them from a file or from another process.
  static std::optional<StoreBatch> FromBytes(Mode mode, std::string_view bytes);

 private:
  // Before key, field and value.
  struct Head {
    std::uint32_t op;
    std::uint32_t key;
    std::uint32_t field;
    std::uint32_t value;
    std::int64_t whole;
    double number;
  };
  static_assert(sizeof(Head) == 32 && std::endian::native == std::endian::little);

  static double SecondsOf(WallTime at) {
    return std::chrono::duration<double>(at.time_since_epoch()).count();
  }
  void Put(const StoreCommand& command);

  Mode mode_;
  std::size_t size_ = 0;
  std::string bytes_;
  std::optional<Duration> patience_;
};

inline void StoreBatch::Put(const StoreCommand& command) {
  if (command.key.size() > kMaxBytes || command.field.size() > kMaxBytes ||
      command.value.size() > kMaxValueBytes) {
    throw std::length_error("a store takes keys and fields of at most 1 MiB, values of 256 MiB");
  }
  if (!std::isfinite(command.number)) throw std::invalid_argument("a store takes finite numbers");
  const Head head = {static_cast<std::uint32_t>(command.op),
                     static_cast<std::uint32_t>(command.key.size()),
                     static_cast<std::uint32_t>(command.field.size()),
                     static_cast<std::uint32_t>(command.value.size()),
                     command.whole,
                     command.number};
  char bytes[sizeof head];
  std::memcpy(bytes, &head, sizeof head);
  bytes_.append(bytes, sizeof head).append(command.key).append(command.field);
  bytes_.append(command.value);
  ++size_;
}

inline bool StoreBatch::Reader::Next(StoreCommand* command) {
  if (!ok_ || rest_.empty()) return false;
  Head head{};
  if (rest_.size() < sizeof head) return ok_ = false;
  std::memcpy(&head, rest_.data(), sizeof head);
  rest_.remove_prefix(sizeof head);
  if (std::uint64_t{head.key} + head.field + head.value > rest_.size()) return ok_ = false;
  const auto take = [this](std::uint32_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  };
  command->op = static_cast<StoreOp>(head.op);
  command->key = take(head.key);
  command->field = take(head.field);
  command->value = take(head.value);
  command->whole = head.whole;
  command->number = head.number;
  return true;
}

inline std::optional<StoreBatch> StoreBatch::FromBytes(Mode mode, std::string_view bytes) {
  StoreBatch batch(mode);
  StoreCommand command;
  Reader reader(bytes);
  while (reader.Next(&command)) {
    const bool fits = command.key.size() <= kMaxBytes && command.field.size() <= kMaxBytes &&
                      command.value.size() <= kMaxValueBytes && std::isfinite(command.number);
    if (!fits) return std::nullopt;
    ++batch.size_;
  }
  if (!reader.ok()) return std::nullopt;
  batch.bytes_ = bytes;
  return batch;
}

/// The half-life and the time of a SortedAddDecayed(), in seconds.
struct StoreDecay {
  double at = 0;
  double half_life = 0;
};
/// Nothing where the command's value is none, or its half-life is not above 0.
inline std::optional<StoreDecay> StoreDecayOf(const StoreCommand& command) {
  double pair[2];
  if (command.value.size() != sizeof pair) return std::nullopt;
  std::memcpy(pair, command.value.data(), sizeof pair);
  if (!std::isfinite(pair[0]) || !std::isfinite(pair[1]) || !(pair[1] > 0)) return std::nullopt;
  return StoreDecay{pair[0], pair[1]};
}
/// A score of a decayed set as of `now`, where `landmark` is the set's own time; all in seconds.
inline double StoreScoreNow(double score, double landmark, double now, double half_life) {
  return score * std::exp2((landmark - now) / half_life);
}

}  // namespace rivulet
