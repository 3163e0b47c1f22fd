// Draws the shop's pictures: landscapes as SVG, each from its id alone.
//
//   std::string svg = DrawPicture("amber-bay");       // always the same bytes
//
// 800 x 600, without scripts, styles or anything from outside: about 10 KB. An id of which there is
// no palette or scene gets some, by its hash.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/hash.h"
#include "examples/shop/canvas.h"
#include "examples/shop/palette.h"

namespace rivulet::shop {

class Painter : private Canvas {
 public:
  Painter(const Palette& palette, std::uint64_t seed) : Canvas(palette, seed) {}

  std::string Paint(Scene scene) && {
    if (palette_.night || scene == Scene::kPlanet) Stars();
    switch (scene) {
      case Scene::kPeaks:
        Peaks();
        break;
      case Scene::kBay:
        Bay();
        break;
      case Scene::kSkyline:
        Skyline();
        break;
      case Scene::kDunes:
        Dunes();
        break;
      case Scene::kPines:
        Pines();
        break;
      case Scene::kFields:
        Fields();
        break;
      case Scene::kPlanet:
        Planet();
        break;
      case Scene::kBalloons:
        Balloons();
        break;
    }
    return std::move(svg_) + "</svg>\n";
  }

 private:
  void Peaks() {
    Sun(Between(140, 660), Between(110, 190), Between(34, 52));
    for (int i = 0; i < 4; ++i) {
      const auto heights = Jagged(270 + i * 82, 175 - i * 42, 0.5);
      Land(heights, At(i / 3.0 * 0.9));
      const double top = *std::min_element(heights.begin(), heights.end());
      if (i < 2) Snow(heights, top + 70 - i * 20);
    }
    Birds(Between(200, 600), 200);
  }

  void Bay() {
    const double horizon = Between(320, 360), sun = Between(240, 560), radius = Between(44, 66);
    Sun(sun, horizon - radius * Between(0.3, 1.5), radius);
    // Two capes, one from each side.
    for (const bool left : {true, false}) {
      const double reach = Between(180, 330), height = Between(50, 110);
      const double side = left ? 0 : kWidth, tip = left ? reach : kWidth - reach;
      Path(fmt::format("M{0:.0f} {1:.0f}L{0:.0f} {2:.0f}Q{3:.0f} {4:.0f} {5:.0f} {1:.0f}Z", side,
                       horizon, horizon - height, (side + tip) / 2, horizon - height * 1.1, tip),
           Css(At(left ? 0.35 : 0.15)));
    }
    const Rgb water = Mix(palette_.high, palette_.near, palette_.night ? 0.3 : 0.25);
    Rect(0, horizon, kWidth, kHeight - horizon, water);
    for (int i = 0; i < 26; ++i) {  // light on the water, broader when nearer
      const double y = horizon + 4 + i * i * 0.36, half = (radius + i * 3) * Between(0.35, 1.0);
      Rect(sun - half + Between(-12, 12), y, half * 2, 1.6 + i * 0.14, palette_.light,
           0.55 - i * 0.015);
    }
    for (int i = 0; i < 30; ++i) {
      const double y = Between(horizon + 8, kHeight);
      Rect(Between(-50, kWidth), y, Between(30, 150), 1.5, palette_.low, 0.22);
    }
    for (int i = 0; i < 3; ++i) Boat(Between(80, 720), Between(horizon + 25, 480));
  }
  void Boat(double x, double y) {
    const double size = 14 + (y - 320) * 0.3;
    Path(fmt::format("M{:.1f} {:.1f}h{:.1f}l{:.1f} {:.1f}h{:.1f}Z", x - size, y, size * 2.2,
                     -size * 0.4, size * 0.42, -size * 1.4),
         Css(palette_.near));
    Path(fmt::format("M{:.1f} {:.1f}v{:.1f}l{:.1f} {:.1f}Z", x, y - size * 0.15, -size * 2.3,
                     size * 1.05, size * 2.1),
         Css(palette_.spot));
    Path(fmt::format("M{:.1f} {:.1f}v{:.1f}l{:.1f} {:.1f}Z", x - size * 0.12, y - size * 0.15,
                     -size * 1.9, -size * 0.75, size * 1.7),
         Css(palette_.light));
  }

  void Skyline() {
    Sun(Between(150, 650), Between(120, 240), Between(46, 70));
    for (int layer = 0; layer < 3; ++layer) {
      const Rgb wall = At(0.25 + layer * 0.35);
      double x = Between(-30, 0);
      while (x < kWidth) {
        const double width = Between(42, 86) + layer * 8, top = Between(200, 400) + layer * 62;
        Rect(x, top, width, kHeight - top, wall);
        const auto roof = random_.Below(4);
        if (roof == 0) Rect(x + width / 2 - 1.5, top - 38, 3, 38, wall);
        if (roof == 1) {
          Path(fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}Z", x, top, width / 2,
                           -width / 3, width / 2, width / 3),
               Css(wall));
        }
        if (layer > 0) Windows(x, top, width);
        x += width + (random_.Below(3) == 0 ? Between(6, 24) : 0);
      }
    }
  }
  void Windows(double x, double top, double width) {
    const Rgb lit = palette_.night ? palette_.spot : palette_.light;
    for (double y = top + 14; y < kHeight - 10; y += 24) {
      for (double at = x + 9; at < x + width - 12; at += 15) {
        if (random_.Below(10) < 4) Rect(at, y, 7, 11, lit, 0.75);
      }
    }
  }

  void Dunes() {
    Sun(Between(150, 650), Between(110, 200), Between(50, 72));
    for (int i = 0; i < 5; ++i) {
      const auto heights = Smooth(310 + i * 58, 34 + i * 8, Between(0.7, 1.3));
      const Rgb sand = Mix(palette_.low, palette_.near, 0.16 + i * 0.17);
      Land(heights, sand);
      // The side away from the sun, from the crest on.
      std::vector<double> shade;
      const double phase = Between(0, 6);
      for (std::size_t x = 0; x < heights.size(); ++x) {
        shade.push_back(heights[x] + 14 +
                        (26 + i * 8) * (1 + std::sin(static_cast<double>(x) / 5 + phase)));
      }
      Land(shade, Mix(sand, palette_.near, 0.16));
    }
    Birds(Between(200, 600), 150);
  }

  void Pines() {
    Sun(Between(150, 650), Between(100, 180), Between(40, 56));
    for (int i = 0; i < 5; ++i) {
      const auto heights =
          i == 0 ? Jagged(300, 60, 0.5) : Smooth(330 + i * 56, 26, Between(0.6, 1.2));
      const Rgb colour = At(i / 4.0);
      if (i > 0) {
        const double size = 22 + i * 17;
        for (double x = Between(-10, 10); x < kWidth + 20; x += size * Between(0.32, 0.8)) {
          Pine(x, HeightAt(heights, x) + 6, size * Between(0.75, 1.25), colour);
        }
      }
      Land(heights, colour);
    }
  }
  void Pine(double x, double foot, double height, Rgb colour) {
    std::string path;
    for (int i = 0; i < 3; ++i) {
      const double top = foot - height * (1 - 0.24 * i), half = height * (0.13 + 0.06 * i);
      path += fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}Z", x, top, half, height * 0.46,
                          -half * 2);
    }
    Path(path, Css(colour));
  }

  void Fields() {
    Sun(Between(150, 650), Between(100, 170), Between(38, 54));
    Land(Jagged(300, 40, 0.5), At(0.1));
    for (int i = 0; i < 5; ++i) {
      const auto heights = Smooth(330 + i * 52, 18 + i * 5, Between(0.5, 0.9));
      const Rgb ground = Mix(Mix(palette_.low, palette_.spot, 0.25 + 0.1 * (i % 2)), palette_.near,
                             0.15 + i * 0.15);
      Land(heights, ground);
      const double vanish = Between(200, 600);  // rows of what grows there meet far away
      std::string rows;
      for (int row = -12; row <= 12; ++row) {
        const double x = vanish + row * 26, below = vanish + row * 90;
        if (x < 0 || x > kWidth) continue;
        const double y = HeightAt(heights, x);
        rows += fmt::format("M{:.0f} {:.0f}L{:.0f} {:.0f}", x, y + 2, below, y + 190);
      }
      svg_ += fmt::format("<path d=\"{}\" stroke=\"{}\" stroke-width=\"{}\" opacity=\".3\"/>", rows,
                          Css(palette_.near), 1 + i / 2);
      if (i == 1 || i == 2) House(Between(120, 680), heights, 18 + i * 8);
      for (int tree = 0; tree < 4; ++tree) {
        const double x = Between(0, kWidth), size = Between(7, 11) + i * 2.5;
        Circle(x, HeightAt(heights, x) - size * 0.6, size, Css(At(0.45 + i * 0.12)));
      }
    }
  }
  void House(double x, const std::vector<double>& heights, double size) {
    const double foot = HeightAt(heights, x) + 8;
    Rect(x - size, foot - size * 1.1, size * 2, size * 1.1, palette_.light);
    Path(fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}Z", x - size * 1.25,
                     foot - size * 1.05, size * 1.25, -size, size * 1.25, size),
         Css(palette_.spot));
    Rect(x - size * 0.2, foot - size * 0.6, size * 0.4, size * 0.6, palette_.near);
  }

  void Planet() {
    const double x = Between(300, 500), y = Between(220, 290), radius = Between(105, 145);
    Circle(x, y, radius * 2.2, "url(#glow)", 0.45);
    const double tilt = Between(-24, 24);
    svg_ += fmt::format("<g transform=\"rotate({:.1f} {:.0f} {:.0f})\">", tilt, x, y);
    Ring(x, y, radius, true);
    svg_ += fmt::format(
        "<clipPath id=\"disc\"><circle cx=\"{:.0f}\" cy=\"{:.0f}\" r=\"{:.1f}\"/></clipPath>"
        "<g clip-path=\"url(#disc)\">",
        x, y, radius);
    Rect(x - radius, y - radius, radius * 2, radius * 2, palette_.far);
    for (double at = -radius; at < radius;) {
      const double band = Between(10, 34);
      Rect(x - radius, y + at, radius * 2, band, Mix(palette_.spot, palette_.near, Between(0, 0.8)),
           Between(0.25, 0.75));
      at += band + Between(0, 14);
    }
    Circle(x + radius * 0.55, y + radius * 0.25, radius * 1.25, "none");
    Path(fmt::format(
             "M{0:.1f} {1:.1f}a{2:.1f} {2:.1f} 0 0 1 0 {3:.1f}a{4:.1f} {2:.1f} 0 0 0 0 {5:.1f}Z", x,
             y - radius, radius, radius * 2, radius * 0.45, -radius * 2),
         Css(palette_.near), 0.35);
    svg_ += "</g>";
    Ring(x, y, radius, false);
    svg_ += "</g>";
    Sun(Between(60, 200), Between(70, 160), Between(14, 24));
    for (int i = 0; i < 3; ++i) Land(Jagged(480 + i * 45, 34, 0.5), At(0.4 + i * 0.3));
  }
  /// The half of the rings behind the planet, or the one before it.
  void Ring(double x, double y, double radius, bool behind) {
    for (const double wide : {1.55, 1.75, 1.88}) {
      svg_ += fmt::format(
          "<path d=\"M{:.1f} {:.1f}a{:.1f} {:.1f} 0 0 {} {:.1f} 0\" fill=\"none\" stroke=\"{}\" "
          "stroke-width=\"{}\" opacity=\".85\"/>",
          x - radius * wide, y, radius * wide, radius * wide * 0.24, behind ? 1 : 0,
          radius * wide * 2, Css(Mix(palette_.light, palette_.spot, (wide - 1.5) * 1.6)),
          wide < 1.6 ? 12 : 6);
    }
  }

  void Balloons() {
    Sun(Between(120, 680), Between(90, 170), Between(34, 50));
    for (int i = 0; i < 3; ++i) {  // clouds
      const double x = Between(40, 700), y = Between(90, 300);
      Path(fmt::format(
               "M{:.0f} {:.0f}h130a22 22 0 0 0 -22 -26a34 34 0 0 0 -62 -8a26 26 0 0 0 -46 34Z", x,
               y),
           Css(palette_.light), 0.55);
    }
    for (int i = 0; i < 4; ++i) {
      const double depth = i / 3.0;
      if (i == 1) {
        for (int far = 0; far < 4; ++far)
          Balloon(Between(60, 740), Between(130, 330), Between(14, 26));
      }
      Land(Smooth(400 + i * 50, 30, Between(0.5, 1.0)), At(depth * 0.9));
    }
    const double x = Between(210, 590);
    Balloon(x, Between(170, 240), Between(84, 104));
    Balloon(x < 400 ? x + Between(200, 260) : x - Between(200, 260), Between(280, 360),
            Between(48, 60));
  }
  void Balloon(double x, double y, double radius) {
    const double foot = y + radius * 1.5;
    const auto lobe = [&](double half, Rgb colour) {
      Path(fmt::format(
               "M{0:.1f} {1:.1f}C{2:.1f} {1:.1f} {2:.1f} {3:.1f} {4:.1f} {5:.1f}H{6:.1f}C{7:.1f} "
               "{3:.1f} {7:.1f} {1:.1f} {0:.1f} {1:.1f}Z",
               x, y - radius, x + half * 1.33, y + radius * 0.5, x + half * 0.2,
               foot - radius * 0.15, x - half * 0.2, x - half * 1.33),
           Css(colour));
    };
    const Rgb stripe = Mix(palette_.light, palette_.low, 0.2);
    for (int i = 0; i < 5; ++i) lobe(radius * (1 - i * 0.22), i % 2 == 0 ? palette_.spot : stripe);
    const double half = radius * 0.13;
    Path(fmt::format("M{:.1f} {:.1f}L{:.1f} {:.1f}H{:.1f}L{:.1f} {:.1f}Z", x - radius * 0.19,
                     foot - radius * 0.15, x - half, foot + radius * 0.1, x + half,
                     x + radius * 0.19, foot - radius * 0.15),
         Css(palette_.near), 0.25);
    Rect(x - half, foot + radius * 0.1, half * 2, radius * 0.2, palette_.near);
  }
};

inline std::string DrawPicture(std::string_view id) {
  const std::uint64_t hash = HashBytes(id);
  Palette palette = kPalettes[hash % kPalettes.size()];
  auto scene = static_cast<Scene>(hash / kPalettes.size() % kScenes.size());
  const std::size_t dash = std::min(id.find('-'), id.size());
  for (const Palette& known : kPalettes) {
    if (known.name == id.substr(0, dash)) palette = known;
  }
  const std::string_view what = id.substr(std::min(dash + 1, id.size()));
  for (std::size_t i = 0; i < kScenes.size(); ++i) {
    if (what.starts_with(kScenes[i])) scene = static_cast<Scene>(i);
  }
  return Painter(palette, hash).Paint(scene);
}

}  // namespace rivulet::shop
