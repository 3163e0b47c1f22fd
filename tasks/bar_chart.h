// A bar chart as SVG: for the views of tasks.
//
// Self-contained and without scripts, styles or links, so that any Content-Security-Policy shows
// it. Labels are data of others: they are escaped, bytes and characters that XML does not know
// become U+FFFD, and long ones are cut.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet {

struct Bar {
  std::string label;
  std::uint64_t value = 0;
};

/// The bars from top to bottom, the longest as wide as there is room; "nothing yet" without any.
std::string BarChartSvg(std::string_view title, const std::vector<Bar>& bars);

}  // namespace rivulet
