// A graph as an SVG picture, without any program: for the view of the task `graph`.
//
// Where no node both has edges in and out, two columns, from the left to the right, the strongest
// nodes on top; else a circle. An edge is as thick as the root of its weight. As tasks/svg.h: no
// scripts, styles or links; names are escaped, and cut.
#pragma once

#include <string>
#include <string_view>

#include "algorithms/graph.h"

namespace rivulet {

/// Without arrows where it is not directed. Draws all of `graph`: some tens of edges are what a
/// picture can hold.
std::string GraphSvg(std::string_view title, const Graph& graph, bool directed = true);

}  // namespace rivulet
