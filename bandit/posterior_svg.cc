#include "bandit/posterior_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <vector>

#include "algorithms/bandit/beta_quantile.h"
#include "bandit/arms_json.h"
#include "tasks/svg.h"

namespace rivulet {

namespace {

constexpr double kWidth = 860;
constexpr double kLeft = 190;   // of the curves
constexpr double kRight = 690;  // likewise
constexpr double kTop = 62;
constexpr double kRow = 46;
constexpr double kCurve = 38;  // the height of a curve's peak
constexpr int kSteps = 160;
constexpr std::size_t kIdCharacters = 20;
// Arms of fewer impressions may reach beyond the axis, where others have several times theirs.
constexpr std::int64_t kKnown = 20;

// Shapes take their colours from here, so that one picture serves both grounds.
constexpr std::string_view kStyle =
    "<style>"
    "svg{color-scheme:light dark;--ground:#fff;--ink:#1b2430;--quiet:#5d6877;--line:#e3e7ec;"
    "--curve:#1f6feb}"
    "@media(prefers-color-scheme:dark){svg{--ground:#171d24;--ink:#dfe5ec;--quiet:#93a0af;"
    "--line:#28313b;--curve:#6aa9ff}}"
    ".ground{fill:var(--ground)}text{fill:var(--ink)}.quiet{fill:var(--quiet)}"
    ".grid{stroke:var(--line)}.tails{fill:var(--curve);fill-opacity:.16}"
    ".likely{fill:var(--curve);fill-opacity:.45}.curve{fill:none;stroke:var(--curve);"
    "stroke-width:1.6;stroke-linejoin:round}.mean{stroke:var(--ink);stroke-width:1.5}"
    "</style>\n";

struct Pictured {
  const BanditArm* arm = nullptr;
  BetaPosterior posterior;
  BetaInterval likely;
};

std::vector<Pictured> Gather(const Picker& picker) {
  std::vector<Pictured> pictured;
  for (const std::size_t index : BestArms(picker, kPicturedArms)) {
    const BetaPosterior& posterior = picker.posterior(index);
    pictured.push_back(
        {&picker.arm(index), posterior, EqualTails(posterior.alpha, posterior.beta, 0.95)});
  }
  return pictured;
}

// Around all, but for those that are hardly known while others are: they reach far.
SvgAxis AxisAround(const std::vector<Pictured>& pictured) {
  std::int64_t most = 0;
  for (const Pictured& one : pictured) most = std::max(most, one.arm->impressions);
  double low = 1;
  double high = 0;
  for (const Pictured& one : pictured) {
    if (one.arm->impressions < std::min(kKnown, most / 5)) continue;
    const double spread = one.posterior.stddev();
    low = std::min(low, one.likely.low - spread);
    high = std::max(high, one.likely.high + spread);
  }
  SvgAxis axis = SvgAxis::Around(std::clamp(low, 0.0, 1.0), std::clamp(high, 0.0, 1.0));
  axis.low = std::max(axis.low, 0.0);
  axis.high = std::min(axis.high, 1.0);
  return axis;
}

class Picture {
 public:
  Picture(std::string_view title, std::size_t rows)
      : height_(kTop + kRow * static_cast<double>(std::max<std::size_t>(rows, 1)) + 44) {
    Add("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" "
        "role=\"img\">\n<title>{2}</title>\n{3}"
        "<rect class=\"ground\" width=\"{0:.0f}\" height=\"{1:.0f}\" rx=\"8\"/>\n",
        kWidth, height_, title, kStyle);
  }

  template <typename... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(svg_), format, std::forward<Args>(args)...);
  }
  void Text(double x, double y, std::string_view anchor, std::string_view look,
            std::string_view text, std::size_t characters = 100) {
    Add("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, look,
        SvgEscaped(text, characters));
  }
  void Axis(const SvgAxis& axis);
  void Arm(const Pictured& arm, const SvgAxis& axis, std::size_t row);
  std::string Finish() && { return std::move(svg_) + "</svg>\n"; }

 private:
  void Density(const BetaPosterior& posterior, const BetaInterval& likely, const SvgAxis& axis,
               double base);
  double height_;
  std::string svg_;
};

// "12.3": a picture has thousands of them, and formatting them as any double takes most of its
// time.
void AppendTenths(std::string* out, double pixels) {
  const std::int64_t tenths = std::llround(pixels * 10);
  if (tenths < 0) out->push_back('-');
  const fmt::format_int whole(std::abs(tenths) / 10);
  out->append(whole.data(), whole.size());
  out->push_back('.');
  out->push_back(static_cast<char>('0' + std::abs(tenths) % 10));
}

double At(const SvgAxis& axis, double rate) { return kLeft + axis.Share(rate) * (kRight - kLeft); }

void Picture::Axis(const SvgAxis& axis) {
  const double bottom = height_ - 36;
  for (const double tick : axis.Ticks(8)) {
    const double x = At(axis, tick);
    Add("<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/>\n", x,
        kTop - 8, bottom);
    Text(x, bottom + 18, "middle", " class=\"quiet\" font-size=\"12\"",
         ShortNumber(tick * 100) + " %");
  }
}

void Picture::Density(const BetaPosterior& posterior, const BetaInterval& likely,
                      const SvgAxis& axis, double base) {
  std::vector<std::pair<double, double>> points;  // rate and density
  double peak = 0;
  const auto add = [&](double rate) {
    const double density = posterior.density(rate);
    if (!std::isfinite(density)) return;
    points.emplace_back(rate, density);
    peak = std::max(peak, density);
  };
  // Where it is, and no more: a narrow curve has as many points as a wide one.
  const double spread = posterior.stddev();
  const double from = std::max({axis.low, likely.low - 3 * spread, 0.0});
  const double to = std::min({axis.high, likely.high + 3 * spread, 1.0});
  if (!(from < to)) return;
  for (int i = 0; i <= kSteps; ++i) add(from + (to - from) * i / kSteps);
  const double mode = (posterior.alpha - 1) / std::max(posterior.alpha + posterior.beta - 2, 1e-9);
  if (mode > 0 && mode < 1) peak = std::max(peak, posterior.density(mode));
  if (points.empty() || !(peak > 0)) return;
  const auto trace = [&](double low, double high) {
    std::string path;
    for (const auto& [rate, density] : points) {
      if (rate < low || rate > high) continue;
      path.push_back(path.empty() ? 'M' : 'L');
      AppendTenths(&path, At(axis, rate));
      path.push_back(',');
      AppendTenths(&path, base - kCurve * density / peak);
    }
    return path;
  };
  const auto fill = [&](std::string_view look, double low, double high) {
    const std::string top = trace(low, high);
    if (top.empty()) return;
    Add("<path class=\"{}\" d=\"{}L{:.1f},{:.1f}L{:.1f},{:.1f}Z\"/>\n", look, top, At(axis, high),
        base, At(axis, low), base);
  };
  fill("tails", from, to);
  if (std::max(from, likely.low) < std::min(to, likely.high)) {
    fill("likely", std::max(from, likely.low), std::min(to, likely.high));
  }
  Add("<path class=\"curve\" d=\"{}\"/>\n", trace(from, to));
}

void Picture::Arm(const Pictured& arm, const SvgAxis& axis, std::size_t row) {
  const double base = kTop + kRow * static_cast<double>(row + 1) - 4;
  Add("<line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", kLeft,
      base, kRight, base);
  Density(arm.posterior, arm.likely, axis, base);
  const double mean = arm.posterior.mean();
  if (mean >= axis.low && mean <= axis.high) {
    Add("<line class=\"mean\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/>\n",
        At(axis, mean), base + 3, base - 6);
  }
  Text(kLeft - 14, base - 8, "end", " font-weight=\"600\"", arm.arm->id, kIdCharacters);
  const auto rate = SeenRate(*arm.arm);
  Text(kRight + 14, base - 17, "start", "",
       rate ? fmt::format("{:.2f} %", *rate * 100) : std::string("not seen yet"));
  Text(kRight + 14, base - 2, "start", " class=\"quiet\" font-size=\"12\"",
       fmt::format("{} of {}", std::max<std::int64_t>(0, arm.arm->clicks - 1),
                   std::max<std::int64_t>(0, arm.arm->impressions - 1)));
}

}  // namespace

std::string PosteriorSvg(const Picker& picker) {
  const std::vector<Pictured> pictured = Gather(picker);
  Picture picture("posteriors of a bandit's arms", pictured.size());
  const std::string title =
      pictured.size() == picker.size()
          ? "What is known of each arm's rate"
          : fmt::format("What is known of the rates of the best {} of {} arms", pictured.size(),
                        picker.size());
  picture.Text(20, 30, "start", " font-size=\"16\" font-weight=\"600\"", title);
  if (pictured.empty()) {
    picture.Text(kWidth / 2, kTop + 30, "middle", " class=\"quiet\"", "there are no arms yet");
    return std::move(picture).Finish();
  }
  picture.Text(
      kWidth - 20, 30, "end", " class=\"quiet\" font-size=\"12\"",
      fmt::format("round {}, dark: 95 % likely, each to its own height", picker.arms()->round));
  const SvgAxis axis = AxisAround(pictured);
  picture.Axis(axis);
  for (std::size_t row = 0; row < pictured.size(); ++row) picture.Arm(pictured[row], axis, row);
  return std::move(picture).Finish();
}

}  // namespace rivulet
