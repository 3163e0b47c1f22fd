#include "tasks/bar_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tasks/svg.h"

namespace rivulet {
namespace {

constexpr double kRowHeight = 24;
constexpr double kLabelWidth = 200;
constexpr double kBarWidth = 420;
constexpr double kWidth = 760;
constexpr std::size_t kLabelCharacters = 24;

/// Counts with all their digits.
std::string Shown(double value) {
  const bool whole = value == std::trunc(value) && std::abs(value) < 0x1p53;
  return whole ? fmt::format("{:.0f}", value) : ShortNumber(value);
}

}  // namespace

std::string BarChartSvg(std::string_view title, const std::vector<Bar>& bars) {
  const auto rows = static_cast<double>(std::max<std::size_t>(1, bars.size()));
  SvgPicture picture(title, kWidth, SvgPicture::kTop + rows * kRowHeight + 10);
  if (bars.empty()) {
    picture.Text(10, SvgPicture::kTop + 16, "nothing yet", {.fill = SvgPicture::kPale});
  }
  double greatest = 0;
  double least = 0;
  for (const Bar& bar : bars) {
    if (!std::isfinite(bar.value)) continue;
    greatest = std::max(greatest, bar.value);
    least = std::min(least, bar.value);
  }
  // Halves, as the whole may be no number.
  const double span = greatest / 2 - least / 2;
  const double scale = span > 0 ? kBarWidth / 2 / span : 0;
  const double zero = kLabelWidth + 8 - least * scale;
  double y = SvgPicture::kTop;
  for (const Bar& bar : bars) {
    picture.Text(kLabelWidth, y + 16, bar.label,
                 {.anchor = SvgAnchor::kEnd, .characters = kLabelCharacters});
    const double width = std::isfinite(bar.value) ? bar.value * scale : 0;
    picture.Rect({std::min(zero, zero + width), y + 3, std::abs(width), kRowHeight - 6},
                 width < 0 ? SvgPicture::kRed : SvgPicture::kBlue);
    picture.Text(std::max(zero, zero + width) + 6, y + 16, Shown(bar.value), {.fill = "#444444"});
    y += kRowHeight;
  }
  return std::move(picture).Finish();
}

}  // namespace rivulet
