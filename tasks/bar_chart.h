// A bar chart as SVG: for the views of tasks. See tasks/svg.h for what holds of all pictures.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rivulet {

struct Bar {
  std::string label;
  double value = 0;
};

/// The bars from top to bottom, the longest as wide as there is room; "nothing yet" without any.
/// Values below zero go to the left of the others' beginning.
std::string BarChartSvg(std::string_view title, const std::vector<Bar>& bars);

}  // namespace rivulet
