// The components of a graph: which nodes hang together.
//
// Connected, the direction of edges aside: disjoint sets with path halving, by size (R. E. Tarjan,
// J. van Leeuwen, "Worst-Case Analysis of Set Union Algorithms", JACM 31, 1984). Strongly
// connected, each reachable from each: R. Tarjan, "Depth-First Search and Linear Graph Algorithms",
// SIAM J. Computing 1 (1972), without recursion, so that a path of millions of nodes needs no
// stack.
//
// Exact. O(nodes + edges) but for the inverse Ackermann function. Memory: 8 bytes a node, for the
// strong ones 40 and 16 an edge. Components are numbered by size, the largest is 0; of equal ones
// the one with the node of the smallest number first.
//
//   const std::vector<std::uint32_t> component = ConnectedComponents(graph);
//   const bool together = component[graph.Find("a")] == component[graph.Find("b")];
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "algorithms/graph.h"
#include "algorithms/graph_arcs.h"

namespace rivulet {

namespace detail {

/// Numbers groups, given as any number below the count of nodes for each, by size.
inline std::vector<std::uint32_t> NumberedBySize(const std::vector<std::uint32_t>& group) {
  struct Counted {
    std::uint32_t size = 0;
    std::uint32_t first = 0;
    std::uint32_t group = 0;
  };
  std::vector<Counted> counted(group.size());
  for (std::uint32_t i = 0; i < group.size(); ++i) {
    Counted& c = counted[group[i]];
    if (c.size++ == 0) c.first = i;
    c.group = group[i];
  }
  std::sort(counted.begin(), counted.end(), [](const Counted& a, const Counted& b) {
    return a.size != b.size ? a.size > b.size : a.first < b.first;
  });
  std::vector<std::uint32_t> number(group.size());
  for (std::uint32_t i = 0; i < counted.size() && counted[i].size > 0; ++i) {
    number[counted[i].group] = i;
  }
  std::vector<std::uint32_t> numbered(group.size());
  for (std::size_t i = 0; i < group.size(); ++i) numbered[i] = number[group[i]];
  return numbered;
}

}  // namespace detail

/// The number of the component of each node.
inline std::vector<std::uint32_t> ConnectedComponents(const Graph& graph) {
  std::vector<std::uint32_t> parent(graph.node_count());
  std::vector<std::uint32_t> size(graph.node_count(), 1);
  std::iota(parent.begin(), parent.end(), 0U);
  const auto root = [&parent](std::uint32_t node) {
    while (parent[node] != node) node = parent[node] = parent[parent[node]];
    return node;
  };
  for (const GraphEdge& edge : graph.edges()) {
    std::uint32_t a = root(edge.from);
    std::uint32_t b = root(edge.to);
    if (a == b) continue;
    if (size[a] < size[b]) std::swap(a, b);
    parent[b] = a;
    size[a] += size[b];
  }
  for (std::uint32_t node = 0; node < parent.size(); ++node) parent[node] = root(node);
  return detail::NumberedBySize(parent);
}

/// The same, where each node reaches each by edges as they are directed.
inline std::vector<std::uint32_t> StrongComponents(const Graph& graph) {
  constexpr std::uint32_t kNone = 0xffffffff;
  const GraphArcs arcs(graph);
  const auto nodes = static_cast<std::uint32_t>(graph.node_count());
  std::vector<std::uint32_t> order(nodes, kNone);  // in which nodes were first met
  std::vector<std::uint32_t> low(nodes, 0);        // the least order that is reached from there
  std::vector<std::uint32_t> group(nodes, kNone);
  std::vector<GraphNode> open;                              // met, and in no group yet
  std::vector<std::pair<GraphNode, std::size_t>> visiting;  // with the next arc to follow
  std::uint32_t met = 0;
  const auto enter = [&](GraphNode node) {
    order[node] = low[node] = met++;
    open.push_back(node);
    visiting.emplace_back(node, 0);
  };
  for (GraphNode start = 0; start < nodes; ++start) {
    if (order[start] != kNone) continue;
    enter(start);
    while (!visiting.empty()) {
      const GraphNode node = visiting.back().first;
      const auto out = arcs.of(node);
      if (std::size_t& next = visiting.back().second; next < out.size()) {
        const GraphNode to = out[next++].node;
        if (order[to] == kNone) {
          enter(to);
        } else if (group[to] == kNone) {
          low[node] = std::min(low[node], order[to]);
        }
        continue;
      }
      visiting.pop_back();
      if (!visiting.empty()) {
        std::uint32_t& above = low[visiting.back().first];
        above = std::min(above, low[node]);
      }
      if (low[node] != order[node]) continue;
      GraphNode member = kNone;
      while (member != node) {
        member = open.back();
        open.pop_back();
        group[member] = node;
      }
    }
  }
  return detail::NumberedBySize(group);
}

}  // namespace rivulet
