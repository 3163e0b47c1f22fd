// SipHash: a keyed hash of bytes, for tables whose keys a client chooses. Who does not know the
// seed cannot find keys that collide.
//
// Source: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012. The
// paper's cautious choice is 2 and 4 rounds; a hash table does with 1 and 3. O(bytes).
//
//   const std::uint64_t hash = SipHash<1, 3>(key, seed_low, seed_high);
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace rivulet {

template <int kCompressions, int kFinalizations>
std::uint64_t SipHash(std::string_view bytes, std::uint64_t key_low, std::uint64_t key_high) {
  std::uint64_t v0 = key_low ^ 0x736f6d6570736575ULL;
  std::uint64_t v1 = key_high ^ 0x646f72616e646f6dULL;
  std::uint64_t v2 = key_low ^ 0x6c7967656e657261ULL;
  std::uint64_t v3 = key_high ^ 0x7465646279746573ULL;
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto absorb = [&](std::uint64_t word) {
    v3 ^= word;
    rounds(kCompressions);
    v0 ^= word;
  };
  const auto word_at = [&](std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    // Little-endian, as the paper has it.
    return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
  };
  const std::size_t whole = bytes.size() / 8 * 8;
  for (std::size_t at = 0; at < whole; at += 8) absorb(word_at(at));
  // The rest, without a loop where there are eight bytes to read: its length is not foreseen.
  std::uint64_t rest = 0;
  if (const std::size_t count = bytes.size() - whole; count > 0 && whole > 0) {
    rest = word_at(bytes.size() - 8) >> (64 - 8 * count);
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      rest |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
  }
  absorb(std::uint64_t{bytes.size()} << 56 | rest);
  v2 ^= 0xff;
  rounds(kFinalizations);
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace rivulet
