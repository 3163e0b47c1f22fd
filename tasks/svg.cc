#include "tasks/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/json.h"

namespace rivulet {
namespace {

/// XML 1.0 knows no control characters but three, not even escaped, and not these two.
bool InXml(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first < 0x20) return first == '\t' || first == '\n' || first == '\r';
  return character != "\xEF\xBF\xBE" && character != "\xEF\xBF\xBF";
}

/// The greatest of 1, 2, 5 times a power of ten that makes at least `steps` steps of `span`, or the
/// next one.
double RoundStep(double span, std::size_t steps) {
  const double rough = span / static_cast<double>(std::max<std::size_t>(1, steps));
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double digit = rough / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

std::vector<double> LogTicks(double low, double high, std::size_t most) {
  std::vector<double> ticks;
  const double decades = std::log10(high / low);
  const int every = std::max(
      1,
      static_cast<int>(std::ceil(decades / static_cast<double>(std::max<std::size_t>(1, most)))));
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  for (int power = first; power <= last; power += every) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      // A few decades have room for what is between them.
      if (digit > 1 && decades * 3 > static_cast<double>(most)) continue;
      const double tick = digit * std::pow(10, power);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace

std::string SvgEscaped(std::string_view text, std::size_t characters) {
  std::string out;
  while (!text.empty()) {
    if (characters-- == 0) return out + "\u2026";
    const std::size_t length = Utf8SequenceLength(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(1, length));
    text.remove_prefix(character.size());
    if (length == 0 || !InXml(character)) {
      out += "\uFFFD";
    } else if (character == "&") {
      out += "&amp;";
    } else if (character == "<") {
      out += "&lt;";
    } else if (character == ">") {
      out += "&gt;";
    } else {
      out += character;
    }
  }
  return out;
}

std::string ShortNumber(double value) {
  if (value == 0) return "0";  // and not -0
  const double size = std::abs(value);
  if (size < 1e9 && size >= 1e4) return fmt::format("{:.0f}", value);
  return fmt::format("{:.4g}", value);
}

std::string TickNumber(double value) {
  constexpr std::pair<double, const char*> kUnits[] = {
      {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  if (std::abs(value) < 1e4 || std::abs(value) >= 1e15) return ShortNumber(value);
  for (const auto& [unit, letter] : kUnits) {
    if (std::abs(value) >= unit) return fmt::format("{:.4g}{}", value / unit, letter);
  }
  return ShortNumber(value);
}

SvgPicture::SvgPicture(std::string_view title, double width, double height) {
  svg_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n"
      "<title>{2}</title>\n"
      "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n"
      "<text x=\"10\" y=\"24\" font-size=\"15\" fill=\"{3}\">{2}</text>\n",
      width, height, SvgEscaped(title, 90), kInk);
}

void SvgPicture::Rect(const SvgBox& box, std::string_view fill) {
  fmt::format_to(std::back_inserter(svg_),
                 "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
                 "fill=\"{}\"/>\n",
                 box.left, box.top, std::max(0.0, box.width), std::max(0.0, box.height), fill);
}

void SvgPicture::Line(double x1, double y1, double x2, double y2, std::string_view stroke,
                      double width, bool dashed) {
  if (!std::isfinite(x1 + y1 + x2 + y2)) return;
  fmt::format_to(std::back_inserter(svg_),
                 "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" "
                 "stroke-width=\"{}\"{}/>\n",
                 x1, y1, x2, y2, stroke, width, dashed ? " stroke-dasharray=\"4 3\"" : "");
}

void SvgPicture::Curve(const std::vector<std::pair<double, double>>& points,
                       std::string_view stroke) {
  const auto out = std::back_inserter(svg_);
  svg_ += "<polyline points=\"";
  for (const auto& [x, y] : points) {
    if (std::isfinite(x) && std::isfinite(y)) fmt::format_to(out, "{:.1f},{:.1f} ", x, y);
  }
  fmt::format_to(out, "\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>\n", stroke);
}

void SvgPicture::Dot(double x, double y, std::string_view fill) {
  if (!std::isfinite(x) || !std::isfinite(y)) return;
  fmt::format_to(std::back_inserter(svg_),
                 "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x, y, fill);
}

void SvgPicture::Text(double x, double y, std::string_view text, const TextStyle& style) {
  const std::string_view anchor = style.anchor == SvgAnchor::kStart ? ""
                                  : style.anchor == SvgAnchor::kEnd ? " text-anchor=\"end\""
                                                                    : " text-anchor=\"middle\"";
  fmt::format_to(std::back_inserter(svg_),
                 "<text x=\"{:.1f}\" y=\"{:.1f}\"{} font-size=\"{}\" fill=\"{}\">{}</text>\n", x, y,
                 anchor, style.size, style.fill, SvgEscaped(text, style.characters));
}

SvgAxis SvgAxis::Around(double low, double high, std::string label) {
  SvgAxis axis;
  axis.label = std::move(label);
  if (!std::isfinite(low) || !std::isfinite(high) || !std::isfinite(high - low)) return axis;
  if (!(low < high)) {
    const double around = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= around;
    high += around;
  }
  const double step = RoundStep(high - low, 8);
  axis.low = std::floor(low / step) * step;
  axis.high = std::ceil(high / step) * step;
  if (axis.low < axis.high && std::isfinite(axis.low) && std::isfinite(axis.high)) return axis;
  axis.low = low;
  axis.high = high;
  return axis;
}

std::vector<double> SvgAxis::Ticks(std::size_t most) const {
  if (log) return LogTicks(low, high, most);
  std::vector<double> ticks;
  const double step = RoundStep(high - low, most);
  if (!std::isfinite(step) || step <= 0) return ticks;
  // Not by adding up, which would leave 0.30000000000000004.
  const double first = std::ceil(low / step - 1e-9);
  for (double i = 0; i <= static_cast<double>(most) + 1; ++i) {
    const double tick = (first + i) * step;
    if (tick > high + step * 1e-9) break;
    ticks.push_back(tick);
  }
  return ticks;
}

double SvgAxis::Share(double value) const {
  const double share =
      log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  return std::isnan(share) ? 0 : std::clamp(share, 0.0, 1.0);
}

SvgPlot::SvgPlot(SvgPicture& picture, const SvgBox& box, SvgAxis x, SvgAxis y, bool scaled)
    : picture_(picture), x_(std::move(x)), y_(std::move(y)) {
  const double left = scaled ? 54 : 18;
  const double bottom = x_.label.empty() ? 24 : 42;
  const double top = y_.label.empty() ? 8 : 22;
  inner_ = {box.left + left, box.top + top, box.width - left - 20, box.height - top - bottom};
  const SvgPicture::TextStyle number{SvgAnchor::kMiddle, 11, SvgPicture::kPale};
  for (const double tick : x_.Ticks(static_cast<std::size_t>(inner_.width / 70))) {
    picture_.Line(X(tick), inner_.top, X(tick), inner_.bottom() + 4, SvgPicture::kGrid);
    picture_.Text(X(tick), inner_.bottom() + 16, TickNumber(tick), number);
  }
  const SvgPicture::TextStyle end{SvgAnchor::kEnd, 11, SvgPicture::kPale};
  if (scaled) {
    for (const double tick : y_.Ticks(static_cast<std::size_t>(inner_.height / 32))) {
      picture_.Line(inner_.left - 4, Y(tick), inner_.right(), Y(tick), SvgPicture::kGrid);
      picture_.Text(inner_.left - 7, Y(tick) + 4, TickNumber(tick), end);
    }
    picture_.Line(inner_.left, inner_.top, inner_.left, inner_.bottom(), SvgPicture::kPale);
  }
  picture_.Line(inner_.left, inner_.bottom(), inner_.right(), inner_.bottom(), SvgPicture::kPale);
  const SvgPicture::TextStyle label{SvgAnchor::kMiddle, 12, SvgPicture::kInk, 60};
  if (!x_.label.empty()) {
    picture_.Text(inner_.left + inner_.width / 2, inner_.bottom() + 34, x_.label, label);
  }
  const SvgPicture::TextStyle name{SvgAnchor::kStart, 12, SvgPicture::kInk, 60};
  if (!y_.label.empty()) picture_.Text(box.left + 8, box.top + 12, y_.label, name);
}

void SvgPlot::Bar(double from, double to, double height) {
  const double left = X(from);
  const double width = X(to) - left;
  const double gap = width > 4 ? 1 : 0;
  picture_.Rect({left, Y(height), std::max(width - gap, 0.5), Y(y_.low) - Y(height)},
                SvgPicture::kBlue);
}

void SvgPlot::Curve(const std::vector<std::pair<double, double>>& points, std::string_view stroke) {
  std::vector<std::pair<double, double>> at;
  at.reserve(points.size());
  for (const auto& [x, y] : points) at.emplace_back(X(x), Y(y));
  picture_.Curve(at, stroke);
}

void SvgPlot::Upright(double x, std::string_view stroke, bool dashed) {
  picture_.Line(X(x), inner_.top, X(x), inner_.bottom(), stroke, 1.5, dashed);
}

}  // namespace rivulet
