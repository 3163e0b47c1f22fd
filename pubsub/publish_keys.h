// `Idempotency-Key:` of /pub: within the window a repeated key publishes nothing and is answered as
// the first time.
//
// Keys are the client's, of a topic; the table hashes them with a seed. Memory: about 150 bytes and
// the key; at most max_keys are remembered, the oldest leaving first.
//
// Thread: the loop's. No clock: time is an argument; wall time, because keys survive a restart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace rivulet {

/// What the first request with a key did.
struct PublishedUnderKey {
  std::uint64_t first_offset = 0;
  std::uint64_t messages = 0;
  std::uint64_t clients = 0;  // as it was answered
  WallTime until{};           // when the key is forgotten
};

class PublishKeys {
 public:
  static constexpr std::size_t kMaxKeyBytes = 256;

  /// `seed`: of the hash table (promises: keys are client-chosen).
  PublishKeys(std::size_t max_keys, std::uint64_t seed);
  ~PublishKeys();

  /// What that key stands for, if it is remembered at `now`. O(1).
  std::optional<PublishedUnderKey> Find(std::string_view topic, std::string_view key,
                                        WallTime now) const;
  /// Remembers it; what the same key stood for before is replaced. Keys are added in the order of
  /// their `until`.
  void Add(std::string_view topic, std::string_view key, const PublishedUnderKey& what);
  /// Forgets what has passed. Amortized O(1) a key.
  void Expire(WallTime now);
  std::size_t size() const;

  // For a log that is cleaned.
  /// Where the log tells the key, as a number of the log's own; 0 until it is said. O(1).
  void SetPlace(std::string_view topic, std::string_view key, std::uint64_t place);
  /// All keys, oldest first, until `visit` says false. It may set the `*place` that it is given.
  using Visitor = std::function<bool(std::string_view topic, std::string_view key,
                                     const PublishedUnderKey& what, std::uint64_t* place)>;
  void ForEach(const Visitor& visit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
