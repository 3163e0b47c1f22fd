// The shop's pictures by name: what there is to draw, in which colours.
//
// A picture's id says both, "amber-bay", so that an id is all that a shop needs to keep of it.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet::shop {

struct Rgb {
  std::uint8_t r = 0;
  std::uint8_t g = 0;
  std::uint8_t b = 0;
};

/// 0xRRGGBB, as people write colours.
constexpr Rgb Hex(std::uint32_t rgb) {
  return {static_cast<std::uint8_t>(rgb >> 16), static_cast<std::uint8_t>(rgb >> 8 & 0xff),
          static_cast<std::uint8_t>(rgb & 0xff)};
}

/// `share` of 0 is `a`, of 1 is `b`.
inline Rgb Mix(Rgb a, Rgb b, double share) {
  const auto mixed = [share](std::uint8_t from, std::uint8_t to) {
    return static_cast<std::uint8_t>(std::lround(from + (to - from) * std::clamp(share, 0., 1.)));
  };
  return {mixed(a.r, b.r), mixed(a.g, b.g), mixed(a.b, b.b)};
}

inline std::string Css(Rgb c) { return fmt::format("#{:02x}{:02x}{:02x}", c.r, c.g, c.b); }

struct Palette {
  std::string_view name;
  Rgb high;   // the sky above
  Rgb low;    // the sky at the horizon
  Rgb light;  // sun or moon
  Rgb far;    // what is far away, in haze
  Rgb near;   // what is near
  Rgb spot;   // what catches the eye: sails, doors, balloons
  bool night = false;
};

inline constexpr std::array<Palette, 16> kPalettes = {{
    {"amber", Hex(0xf6b042), Hex(0xfde9c3), Hex(0xfffaf0), Hex(0xe0a458), Hex(0x5a3418),
     Hex(0xb3261e)},
    {"midnight", Hex(0x0b1030), Hex(0x33427f), Hex(0xf4f1de), Hex(0x3c4a86), Hex(0x080b1e),
     Hex(0xf2c14e), true},
    {"coral", Hex(0xf2776b), Hex(0xffd9c2), Hex(0xfff4e6), Hex(0xd98c93), Hex(0x46264a),
     Hex(0xfff1d6)},
    {"glacier", Hex(0x5fa8d3), Hex(0xe3f4fb), Hex(0xffffff), Hex(0xa8cbdf), Hex(0x1d3f5e),
     Hex(0xe4572e)},
    {"violet", Hex(0x4b3f86), Hex(0xe9a6c6), Hex(0xffe8d6), Hex(0x8e6fae), Hex(0x231942),
     Hex(0xffca3a)},
    {"moss", Hex(0x9cc5a1), Hex(0xf1f7e1), Hex(0xfffbe0), Hex(0x86ad7e), Hex(0x22402b),
     Hex(0xd9622b)},
    {"ember", Hex(0x3a0f1f), Hex(0xf26b3a), Hex(0xffd166), Hex(0x9b3b3b), Hex(0x1c0a12),
     Hex(0xffd166)},
    {"lagoon", Hex(0x2a9d8f), Hex(0xd8f3ea), Hex(0xfff8e1), Hex(0x74bfb0), Hex(0x0d4247),
     Hex(0xf4a261)},
    {"rose", Hex(0xe59bb4), Hex(0xfdeff2), Hex(0xffffff), Hex(0xcf97ad), Hex(0x5b2a45),
     Hex(0x2f6690)},
    {"winter", Hex(0x8d9fb8), Hex(0xeef2f7), Hex(0xfffdf5), Hex(0xb3c0d2), Hex(0x2f3b4e),
     Hex(0xc8553d)},
    {"copper", Hex(0xc8713f), Hex(0xf8dfc4), Hex(0xfff3df), Hex(0xb98261), Hex(0x3d1f14),
     Hex(0x1b7f79)},
    {"polar", Hex(0x071a2b), Hex(0x1f7a72), Hex(0xe8fff7), Hex(0x2a5d68), Hex(0x04101b),
     Hex(0x9ef0c6), true},
    {"lemon", Hex(0xf7d84a), Hex(0xfffbe1), Hex(0xffffff), Hex(0xd4c35c), Hex(0x4e4a16),
     Hex(0xd1495b)},
    {"plum", Hex(0x6d3563), Hex(0xf6c7b6), Hex(0xffefd9), Hex(0xa3668b), Hex(0x2c1030),
     Hex(0xf9c74f)},
    {"cobalt", Hex(0x1d4e9e), Hex(0xbfdcf5), Hex(0xfffef2), Hex(0x6f9bd1), Hex(0x0c2450),
     Hex(0xffb703)},
    {"indigo", Hex(0x1b1446), Hex(0x7b6bc4), Hex(0xfdf6e3), Hex(0x5a4da0), Hex(0x0f0a2a),
     Hex(0xff8fa3), true},
}};

enum class Scene : std::uint8_t {
  kPeaks,
  kBay,
  kSkyline,
  kDunes,
  kPines,
  kFields,
  kPlanet,
  kBalloons
};

inline constexpr std::array<std::string_view, 8> kScenes = {
    "peaks", "bay", "skyline", "dunes", "pines", "fields", "planet", "balloons"};

/// As many different ones as there can be; further ids have a number: "amber-bay-2".
inline constexpr std::size_t kPictureKinds = kPalettes.size() * kScenes.size();

/// The id of the picture of that number, from 0: neighbours differ in scene and colours.
inline std::string PictureId(std::size_t number) {
  const std::size_t scene = number % kScenes.size();
  const std::size_t row = number / kScenes.size();
  // 9 has no factor in common with the 16 palettes: each scene meets each of them once.
  const std::size_t palette = (scene * 5 + row * 9) % kPalettes.size();
  std::string id = fmt::format("{}-{}", kPalettes[palette].name, kScenes[scene]);
  if (number >= kPictureKinds) id += fmt::format("-{}", number / kPictureKinds + 1);
  return id;
}

/// "amber-bay-2" as people read it: "Amber Bay 2".
inline std::string PictureTitle(std::string_view id) {
  std::string title;
  bool begins = true;
  for (const char c : id) {
    const bool lower = c >= 'a' && c <= 'z';
    title += c == '-' ? ' ' : begins && lower ? static_cast<char>(c - 'a' + 'A') : c;
    begins = c == '-';
  }
  return title;
}

}  // namespace rivulet::shop
