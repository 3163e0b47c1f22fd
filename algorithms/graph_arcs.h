// A graph's edges by node, for what walks it: neighbours side by side in memory (compressed sparse
// rows).
//
// Made in O(nodes + edges), 16 bytes an edge; a node's arcs are then O(1) away. It does not change
// with the graph.
//
//   const GraphArcs arcs(graph);
//   for (const GraphArc& arc : arcs.of(node)) Visit(arc.node, arc.weight);
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "algorithms/graph.h"

namespace rivulet {

/// What is at the other end, and the edge's weight.
struct GraphArc {
  GraphNode node = 0;
  double weight = 0;
};

class GraphArcs {
 public:
  explicit GraphArcs(const Graph& graph)
      : begins_(graph.node_count() + 1, 0), arcs_(graph.edge_count()) {
    for (const GraphEdge& edge : graph.edges()) ++begins_[edge.from + 1];
    for (std::size_t i = 1; i < begins_.size(); ++i) begins_[i] += begins_[i - 1];
    std::vector<std::size_t> next(begins_.begin(), begins_.end() - 1);
    for (const GraphEdge& edge : graph.edges()) {
      arcs_[next[edge.from]++] = {edge.to, edge.weight};
    }
  }

  std::size_t node_count() const { return begins_.size() - 1; }
  /// The edges out of a node, in the order in which they came.
  std::span<const GraphArc> of(GraphNode node) const {
    return {arcs_.data() + begins_[node], begins_[node + 1] - begins_[node]};
  }

 private:
  std::vector<std::size_t> begins_;
  std::vector<GraphArc> arcs_;
};

}  // namespace rivulet
