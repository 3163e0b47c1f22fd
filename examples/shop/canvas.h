// What the shop's pictures are made of: shapes in the colours of a palette, as SVG.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/random.h"
#include "examples/shop/palette.h"

namespace rivulet::shop {

/// 800 x 600; what is drawn later lies over it. Lengths in pixels, from the left and from the top.
class Canvas {
 public:
  Canvas(const Palette& palette, std::uint64_t seed) : palette_(palette), random_(seed) {
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
        "height=\"{1}\"><defs><linearGradient id=\"sky\" x2=\"0\" y2=\"1\"><stop "
        "stop-color=\"{2}\"/>"
        "<stop offset=\".8\" stop-color=\"{3}\"/></linearGradient><radialGradient id=\"glow\">"
        "<stop stop-color=\"{4}\" stop-opacity=\".75\"/><stop offset=\"1\" stop-color=\"{4}\" "
        "stop-opacity=\"0\"/></radialGradient></defs><rect width=\"{0}\" height=\"{1}\" "
        "fill=\"url(#sky)\"/>",
        kWidth, kHeight, Css(palette_.high), Css(palette_.low), Css(palette_.light));
  }

 protected:
  static constexpr int kWidth = 800;
  static constexpr int kHeight = 600;

  double Between(double low, double high) { return low + (high - low) * random_.Uniform(); }
  /// What lies at this depth: 0 is the horizon, 1 is here.
  Rgb At(double depth) const { return Mix(palette_.far, palette_.near, depth); }

  void Circle(double x, double y, double radius, std::string_view fill, double opacity = 1) {
    svg_ += fmt::format("<circle cx=\"{:.0f}\" cy=\"{:.0f}\" r=\"{:.1f}\" fill=\"{}\"", x, y,
                        radius, fill);
    svg_ += opacity < 1 ? fmt::format(" opacity=\"{:.2f}\"/>", opacity) : "/>";
  }
  void Rect(double x, double y, double width, double height, Rgb fill, double opacity = 1) {
    svg_ += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"", x, y,
        width, height, Css(fill));
    svg_ += opacity < 1 ? fmt::format(" opacity=\"{:.2f}\"/>", opacity) : "/>";
  }
  void Path(std::string_view path, std::string_view fill, double opacity = 1) {
    svg_ += fmt::format("<path d=\"{}\" fill=\"{}\"", path, fill);
    svg_ += opacity < 1 ? fmt::format(" opacity=\"{:.2f}\"/>", opacity) : "/>";
  }

  void Sun(double x, double y, double radius) {
    Circle(x, y, radius * 3.2, "url(#glow)", 0.8);
    Circle(x, y, radius, Css(palette_.light));
    if (palette_.night) {  // a moon has craters
      const std::string shade = Css(Mix(palette_.light, palette_.high, 0.18));
      Circle(x - radius * 0.3, y - radius * 0.2, radius * 0.22, shade);
      Circle(x + radius * 0.35, y + radius * 0.25, radius * 0.16, shade);
      Circle(x + radius * 0.1, y - radius * 0.5, radius * 0.1, shade);
    }
  }

  void Stars() {
    for (int i = 0; i < 70; ++i) {
      const double y = Between(0, 380);
      Circle(Between(0, kWidth), y, Between(0.6, 1.9), Css(palette_.light), 0.9 - y / 500);
    }
  }

  /// Heights from left to right, each step between two halved anew: jagged as rocks are.
  std::vector<double> Jagged(double level, double rise, double roughness) {
    std::vector<double> heights = {level + Between(-rise, rise) / 2,
                                   level + Between(-rise, rise) / 2};
    for (int round = 0; round < 6; ++round) {
      std::vector<double> finer;
      for (std::size_t i = 0; i + 1 < heights.size(); ++i) {
        finer.push_back(heights[i]);
        finer.push_back((heights[i] + heights[i + 1]) / 2 + Between(-rise, rise));
      }
      finer.push_back(heights.back());
      heights = std::move(finer);
      rise *= roughness;
    }
    return heights;
  }
  /// Heights from left to right of some waves over each other: smooth as dunes and hills are.
  std::vector<double> Smooth(double level, double rise, double waves) {
    const double first = Between(0, 7), second = Between(0, 7), third = Between(0, 7);
    std::vector<double> heights;
    for (int i = 0; i <= 40; ++i) {
      const double x = i / 40.0 * 2 * std::numbers::pi * waves;
      heights.push_back(level +
                        rise * (0.6 * std::sin(x + first) + 0.3 * std::sin(1.7 * x + second) +
                                0.1 * std::sin(3.1 * x + third)));
    }
    return heights;
  }
  static double HeightAt(const std::vector<double>& heights, double x) {
    const double at = std::clamp(x / kWidth, 0., 1.) * static_cast<double>(heights.size() - 1);
    const auto i = std::min(static_cast<std::size_t>(at), heights.size() - 2);
    return heights[i] + (heights[i + 1] - heights[i]) * (at - static_cast<double>(i));
  }
  void Land(const std::vector<double>& heights, Rgb colour) {
    std::string path = fmt::format("M0 {}", kHeight);
    const double step = kWidth / static_cast<double>(heights.size() - 1);
    for (std::size_t i = 0; i < heights.size(); ++i) {
      path += fmt::format("L{:.1f} {:.1f}", step * static_cast<double>(i), heights[i]);
    }
    Path(path + fmt::format("L{} {}Z", kWidth, kHeight), Css(colour));
  }
  /// Where the land is higher than `line`, it is white; the edge of the snow is ragged.
  void Snow(const std::vector<double>& heights, double line) {
    const double step = kWidth / static_cast<double>(heights.size() - 1);
    std::string path;
    for (std::size_t i = 0; i < heights.size(); ++i) {
      if (heights[i] >= line) continue;
      const std::size_t first = i;
      std::string lower;
      for (; i < heights.size() && heights[i] < line; ++i) {
        const double x = step * static_cast<double>(i);
        path += fmt::format("{}{:.1f} {:.1f}", i == first ? 'M' : 'L', x, heights[i]);
        const double edge = std::min(line, heights[i] + (line - heights[i]) * Between(0.35, 0.95));
        lower.insert(0, fmt::format("L{:.1f} {:.1f}", x, edge));
      }
      path += lower + "Z";
    }
    if (!path.empty()) Path(path, Css(Mix(palette_.light, palette_.low, 0.15)), 0.88);
  }
  /// Birds, far away.
  void Birds(double x, double y) {
    for (int i = 0; i < 5; ++i) {
      const double left = x + Between(-60, 60), top = y + Between(-30, 30), size = Between(5, 10);
      svg_ += fmt::format(
          "<path d=\"M{0:.0f} {1:.0f}q{2:.1f} {3:.1f} {4:.1f} 0q{2:.1f} {3:.1f} {4:.1f} 0\" "
          "fill=\"none\" stroke=\"{5}\" stroke-width=\"1.6\"/>",
          left, top, size / 2, -size / 1.6, size, Css(At(0.8)));
    }
  }

  Palette palette_;
  Random random_;
  std::string svg_;
};

}  // namespace rivulet::shop
