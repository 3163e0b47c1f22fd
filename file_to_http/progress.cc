#include "file_to_http/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "base/terminal_line.h"

namespace rivulet {

std::string ProgressLine(const ProgressFigures& figures, std::size_t width) {
  std::string line;
  if (figures.fraction) {
    const double fraction = std::clamp(*figures.fraction, 0.0, 1.0);
    line = fmt::format("{} {:3.0f}%  ", ProgressBar(fraction), std::floor(fraction * 100));
  }
  line += fmt::format("{} messages  {:.0f}/s  {:.1f} MB/s", figures.messages,
                      figures.messages_a_second, figures.bytes_a_second / 1e6);
  if (figures.left) line += "  " + RoughDuration(*figures.left) + " left";
  if (!figures.waiting.empty()) line += "  " + EscapeControl(figures.waiting);
  if (line.size() > width) line.resize(width);
  return line;
}

}  // namespace rivulet
