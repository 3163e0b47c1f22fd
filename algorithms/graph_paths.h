// Shortest paths in a graph: the one of the fewest edges, and the likeliest one.
//
// Sources: E. F. Moore, "The Shortest Path Through a Maze" (1959), for breadth first; E. W.
// Dijkstra, "A Note on Two Problems in Connexion with Graphs", Numerische Mathematik 1 (1959). An
// edge's probability is its weight's share of all that leaves its node; a path's is the product. So
// an edge is as long as -log of its probability, which is never below 0, and what decays or counts
// in other units goes the same way.
//
// Exact. FewestHops: O(nodes + edges); Likeliest: O((nodes + edges) log edges). Memory: 16 bytes an
// edge and 24 bytes a node while it looks. Of several paths that are as good it is always the same.
//
//   const auto path = FewestHops(GraphArcs(graph), graph.Find("a"), graph.Find("z"));
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <tuple>
#include <utility>
#include <vector>

#include "algorithms/graph.h"
#include "algorithms/graph_arcs.h"

namespace rivulet {

namespace detail {

/// From the last node back to where there is no `before`.
inline std::vector<GraphNode> PathTo(GraphNode to, const std::vector<GraphNode>& before) {
  std::vector<GraphNode> path;
  for (GraphNode node = to; node != Graph::kNoNode; node = before[node]) path.push_back(node);
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace detail

/// The nodes of the path, both ends included; one where they are the same, none where there is no
/// path. Requires nodes of the graph.
inline std::vector<GraphNode> FewestHops(const GraphArcs& arcs, GraphNode from, GraphNode to) {
  std::vector<GraphNode> before(arcs.node_count(), Graph::kNoNode);
  std::vector<bool> seen(arcs.node_count(), false);
  std::vector<GraphNode> reached = {from};
  seen[from] = true;
  for (std::size_t i = 0; i < reached.size() && !seen[to]; ++i) {
    for (const GraphArc& arc : arcs.of(reached[i])) {
      if (seen[arc.node]) continue;
      seen[arc.node] = true;
      before[arc.node] = reached[i];
      reached.push_back(arc.node);
    }
  }
  return seen[to] ? detail::PathTo(to, before) : std::vector<GraphNode>();
}

/// The same, of the greatest product of probabilities.
inline std::vector<GraphNode> Likeliest(const GraphArcs& arcs, GraphNode from, GraphNode to) {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  std::vector<double> length(arcs.node_count(), kFar);
  std::vector<GraphNode> before(arcs.node_count(), Graph::kNoNode);
  using Reached = std::pair<double, GraphNode>;
  std::priority_queue<Reached, std::vector<Reached>, std::greater<>> nearest;
  length[from] = 0;
  nearest.emplace(0.0, from);
  while (!nearest.empty()) {
    const auto [far, node] = nearest.top();
    nearest.pop();
    if (node == to) break;
    if (far > length[node]) continue;
    double all = 0;
    for (const GraphArc& arc : arcs.of(node)) all += arc.weight;
    for (const GraphArc& arc : arcs.of(node)) {
      const double there = far + std::max(0.0, -std::log(arc.weight / all));
      if (there >= length[arc.node]) continue;
      length[arc.node] = there;
      before[arc.node] = node;
      nearest.emplace(there, arc.node);
    }
  }
  return length[to] < kFar ? detail::PathTo(to, before) : std::vector<GraphNode>();
}

}  // namespace rivulet
