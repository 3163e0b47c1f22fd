// What rivulet-graph's commands say of a graph: tables for people, or a line of JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "algorithms/graph.h"
#include "base/status.h"

namespace rivulet {

/// `by`: edges, in, out, pagerank.
std::string TopReport(const Graph& graph, std::string_view by, std::uint64_t most, bool json);
/// kNotFound where there is no such node. `most` of each direction; 0: all.
Result<std::string> NeighborsReport(const Graph& graph, std::string_view node, std::uint64_t most,
                                    bool json);
/// `by`: hops, likelihood. kNotFound where there is no such node, or no path.
Result<std::string> PathReport(const Graph& graph, std::string_view from, std::string_view to,
                               std::string_view by, bool json);

}  // namespace rivulet
