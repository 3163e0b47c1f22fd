#include "tasks/bar_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/json.h"

namespace rivulet {

namespace {

constexpr int kRowHeight = 24;
constexpr int kTop = 40;
constexpr int kLabelWidth = 200;
constexpr int kBarWidth = 420;
constexpr int kWidth = 760;
constexpr std::size_t kLabelCharacters = 24;

/// XML 1.0 knows no control characters but three, not even escaped, and not these two.
bool InXml(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first < 0x20) return first == '\t' || first == '\n' || first == '\r';
  return character != "\xEF\xBF\xBE" && character != "\xEF\xBF\xBF";
}

/// `text` for between tags, at most so many characters of it.
std::string Escaped(std::string_view text, std::size_t characters) {
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

}  // namespace

std::string BarChartSvg(std::string_view title, const std::vector<Bar>& bars) {
  std::string svg;
  const auto out = std::back_inserter(svg);
  const std::size_t rows = std::max<std::size_t>(1, bars.size());
  const std::size_t height = kTop + rows * kRowHeight + 10;
  fmt::format_to(
      out,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\">\n"
      "<title>{2}</title>\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n"
      "<text x=\"10\" y=\"24\" font-size=\"15\" fill=\"#222222\">{2}</text>\n",
      kWidth, height, Escaped(title, 100));
  if (bars.empty()) {
    fmt::format_to(out, "<text x=\"10\" y=\"{}\" fill=\"#666666\">nothing yet</text>\n", kTop + 16);
  }
  std::uint64_t greatest = 1;
  for (const Bar& bar : bars) greatest = std::max(greatest, bar.value);
  int y = kTop;
  for (const Bar& bar : bars) {
    const double share = static_cast<double>(bar.value) / static_cast<double>(greatest);
    const double width = share * kBarWidth;
    fmt::format_to(out,
                   "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#222222\">{}</text>"
                   "<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"#2a6fb0\"/>"
                   "<text x=\"{:.1f}\" y=\"{}\" fill=\"#444444\">{}</text>\n",
                   kLabelWidth, y + 16, Escaped(bar.label, kLabelCharacters), kLabelWidth + 8,
                   y + 3, width, kRowHeight - 6, kLabelWidth + 14 + width, y + 16, bar.value);
    y += kRowHeight;
  }
  return svg + "</svg>\n";
}

}  // namespace rivulet
