// Which ids have come, a bit each where they end in digits: what StoreBatch::Once() asks.
//
// The number that an id ends in, below 2^53 and without leading zeros, is a bit in a chunk of 2^20
// beside its like; some tens of a chunk are numbers of 4 bytes, more are bits in pages of 512 bytes
// that are made when they are needed: a dense million takes 140 KB. Other ids are kept as they
// are, in two generations that take turns.
//
// A chunk is forgotten, all of it, when its time since the last new id is over; an id that is kept
// as it is, between one and two such times after it came. O(1).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/bytes.h"
#include "store/key_table.h"

namespace rivulet {

/// A set of numbers below 2^20.
class IdBits {
 public:
  static constexpr std::uint32_t kIds = 1U << 20;

  /// True when it was not there.
  bool Add(std::uint32_t id);
  void Remove(std::uint32_t id);
  std::size_t bytes() const;

  void Save(std::string* out) const;
  /// False when these are not the bytes of a set.
  bool Load(ByteReader* reader);

 private:
  static constexpr std::size_t kMostFew = 64;
  static constexpr std::uint32_t kPageIds = 4096;
  static constexpr std::size_t kWordsPerPage = kPageIds / 64;
  using Page = std::array<std::uint64_t, kWordsPerPage>;

  bool AddBit(std::uint32_t id);

  std::vector<std::uint32_t> few_;  // sorted; while there are no pages
  std::vector<std::unique_ptr<Page>> pages_;
};

/// Times are milliseconds of the wall clock.
class OnceIds {
  struct Nothing {};
  using Names = KeyTable<Nothing>;

 public:
  /// What a First() changed, and what was there before.
  struct Before {
    enum class Turn : std::uint8_t { kNone, kGeneration, kBoth };
    bool first = false;
    Turn turn = Turn::kNone;
    std::int64_t until_ms = 0;
    std::int64_t began_ms = 0;
    std::unique_ptr<Names> current;  // where both generations were over
    std::unique_ptr<Names> before;   // where one was

    bool changed() const { return first || turn != Turn::kNone; }
  };

  explicit OnceIds(KeySeed seed) : seed_(seed), chunks_(seed), scopes_(seed) {}

  /// True when `id` comes for the first time under `scope`; it is then kept for `keep_ms` at least.
  bool First(std::string_view scope, std::string_view id, std::int64_t now_ms, std::int64_t keep_ms,
             Before* before);
  /// As if that First() had not been asked; of several, the last first.
  void Forget(std::string_view scope, std::string_view id, Before before);
  /// Frees what is forgotten, looking at a few.
  void Sweep(std::int64_t now_ms);
  bool empty() const { return chunks_.empty() && scopes_.empty(); }
  std::size_t bytes() const { return bytes_; }

  // Records of MemoryStore::Save().
  void Save(std::string* out) const;
  bool LoadChunk(ByteReader* reader);
  bool LoadScope(ByteReader* reader);
  static constexpr char kChunkMark = 'o';
  static constexpr char kScopeMark = 'i';

 private:
  struct Chunk {
    IdBits ids;
    std::int64_t until_ms = 0;
  };
  struct Scope {
    std::unique_ptr<Names> current;
    std::unique_ptr<Names> before;
    std::int64_t began_ms = 0;  // the current generation
    std::int64_t until_ms = 0;
  };
  /// When to look at a chunk or a scope again: each has one, at its until_ms or before.
  struct Due {
    std::int64_t when_ms;
    std::uint32_t entry;
    bool scope;
    bool operator<(const Due& other) const { return when_ms > other.when_ms; }
  };

  bool FirstName(std::string_view scope, std::string_view id, std::int64_t now_ms,
                 std::int64_t keep_ms, Before* before);
  void TurnGenerations(Scope* names, std::int64_t now_ms, bool both, Before* before);
  void ForgetName(std::string_view scope, std::string_view id, Before before);
  /// Sets key_ to the chunk's; nothing where the id is kept as it is.
  std::optional<std::uint32_t> BitOf(std::string_view scope, std::string_view id);
  template <typename Held>
  void SweepOne(KeyTable<Held>* table, Due due, std::int64_t now_ms);
  static std::size_t BytesOf(const Chunk& chunk) { return chunk.ids.bytes(); }
  static std::size_t BytesOf(const Scope& scope);

  KeySeed seed_;
  KeyTable<Chunk> chunks_;  // by the size of the scope, scope, beginning, number / 2^20
  KeyTable<Scope> scopes_;
  std::priority_queue<Due> dues_;
  std::string key_;
  std::size_t bytes_ = 0;
};

}  // namespace rivulet
