// What an event is marked with, so that a mapping can drop it or tell of it: the work of a program
// that says so, or seen before.
//
// Thread: any, one at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace rivulet {

/// Programs that name themselves in their user agent. Nothing is proved by it: who wants to pass
/// for a browser does.
class BotWords {
 public:
  /// A user agent is a bot's when it is empty or holds one of Known() or of `more`, in any case.
  /// Empty words are ignored.
  explicit BotWords(const std::vector<std::string>& more = {});

  /// O(user agent).
  bool IsBot(std::string_view user_agent) const;

  /// The list: bot, crawler, spider, headless, curl/ and so on.
  static const std::vector<std::string_view>& Known();

 private:
  std::vector<std::string> words_;                        // lower case, by their first byte
  std::array<std::array<std::uint16_t, 2>, 256> ranges_;  // of words_, by first byte
};

/// Which event ids of which party came before. Two sets of fingerprints of 64 bits, of which the
/// newer takes what comes and the older is forgotten when the newer has been filled for a window or
/// is full: exact within the window while no more than max_entries / 2 ids come in it, but that a
/// new one is taken for one of n that are known once in 2^64 / n times. Fingerprints depend on a
/// seed, and a search looks at no more than 128 places, whatever a stranger chooses for ids.
/// Memory: at most 32 bytes an entry, as they come.
class DuplicateFilter {
 public:
  /// A window of 0 or no entries: nothing is ever a duplicate. `seed` is to be random.
  DuplicateFilter(Duration window, std::size_t max_entries, std::uint64_t seed);

  /// True when that party's id was seen less than the window ago (it may still be true up to twice
  /// the window); else remembers it. An empty id is never seen. To be asked only for what will be
  /// taken: what was remembered and then refused would be a duplicate when it is sent again. O(1).
  bool Seen(std::string_view party, std::string_view id, MonoTime now);

  std::size_t size() const { return newer_.used + older_.used; }
  std::size_t memory_bytes() const;

 private:
  struct Generation {
    std::vector<std::uint64_t> slots;  // a power of two, at most half full; 0: nothing is here
    std::size_t used = 0;
  };
  static bool Holds(const Generation& generation, std::uint64_t fingerprint);
  /// False when there is no room within reach.
  static bool Put(Generation* generation, std::uint64_t fingerprint);
  bool Add(std::uint64_t fingerprint);
  static void Grow(Generation* generation);
  void Rotate(MonoTime at);

  Duration window_;
  std::size_t max_used_;  // of a generation
  std::uint64_t seed_;
  Generation newer_;
  Generation older_;
  MonoTime since_{};  // when newer_ was begun
  std::string key_;
};

}  // namespace rivulet
