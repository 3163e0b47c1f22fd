// Pictures as SVG, for the views of tasks: shapes, text, and a plot with axes.
//
// Self-contained and without scripts, styles or links, so that any Content-Security-Policy shows
// it. Texts are data of others: they are escaped, bytes and characters that XML does not know
// become U+FFFD, and long ones are cut. What is not finite is not drawn. Lengths are in pixels,
// from the left and from the top.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet {

/// `text` for between tags, at most so many characters of it.
std::string SvgEscaped(std::string_view text, std::size_t characters);
/// As people read it: 4 digits, "1234567" and not "1.235e+06" up to a billion.
std::string ShortNumber(double value);

/// As an axis has it: "250k", "1M".
std::string TickNumber(double value);

struct SvgBox {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
};

enum class SvgAnchor { kStart, kMiddle, kEnd };

class SvgPicture {
 public:
  static constexpr std::string_view kInk = "#222222";
  static constexpr std::string_view kPale = "#666666";
  static constexpr std::string_view kGrid = "#e3e3e3";
  static constexpr std::string_view kBlue = "#2a6fb0";
  static constexpr std::string_view kLight = "#c9dced";
  static constexpr std::string_view kRed = "#b0432a";
  /// Where a picture begins below its title.
  static constexpr double kTop = 40;

  SvgPicture(std::string_view title, double width, double height);
  void Rect(const SvgBox& box, std::string_view fill);
  void Line(double x1, double y1, double x2, double y2, std::string_view stroke, double width = 1,
            bool dashed = false);
  void Curve(const std::vector<std::pair<double, double>>& points, std::string_view stroke);
  void Dot(double x, double y, std::string_view fill);
  struct TextStyle {
    SvgAnchor anchor = SvgAnchor::kStart;
    int size = 13;
    std::string_view fill = kInk;
    std::size_t characters = 100;
  };
  void Text(double x, double y, std::string_view text, const TextStyle& style);
  void Text(double x, double y, std::string_view text) { Text(x, y, text, TextStyle()); }
  std::string Finish() && { return std::move(svg_) + "</svg>\n"; }

 private:
  std::string svg_;
};

/// What a plot shows of one direction.
struct SvgAxis {
  double low = 0;
  double high = 1;
  bool log = false;     // requires 0 < low
  std::string label{};  // empty: none

  /// Widened to what round numbers enclose; something around it where low is high.
  static SvgAxis Around(double low, double high, std::string label = {});
  /// Round numbers within, about `most` of them at most.
  std::vector<double> Ticks(std::size_t most) const;
  /// 0 at low, 1 at high; what is beyond is at the nearest.
  double Share(double value) const;
};

/// Draws into `box` of the picture, axes and their labels included.
class SvgPlot {
 public:
  /// `scaled`: whether the upright axis has numbers.
  SvgPlot(SvgPicture& picture, const SvgBox& box, SvgAxis x, SvgAxis y, bool scaled = true);

  double X(double value) const { return inner_.left + x_.Share(value) * inner_.width; }
  double Y(double value) const { return inner_.bottom() - y_.Share(value) * inner_.height; }
  /// From 0 to `height`, between two values of the other axis.
  void Bar(double from, double to, double height);
  void Curve(const std::vector<std::pair<double, double>>& points, std::string_view stroke);
  void Upright(double x, std::string_view stroke, bool dashed);
  /// The area of the data.
  const SvgBox& inner() const { return inner_; }

 private:
  SvgPicture& picture_;
  SvgAxis x_;
  SvgAxis y_;
  SvgBox inner_;
};

}  // namespace rivulet
