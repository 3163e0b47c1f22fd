// PageRank: where somebody is found who follows the edges of a graph at random, by their weights.
//
// Source: S. Brin, L. Page, "The Anatomy of a Large-Scale Hypertextual Web Search Engine", Computer
// Networks 30 (1998); power iteration. With a probability of `damping` a step follows an edge, by
// its share of what leaves the node; else it goes to any node. From a node without edges out
// (a dangling one) it goes to any node, too. This is NetworkX's pagerank().
//
// Error: the sum of |difference| to the exact ranks is at most tolerance * damping / (1 - damping)
// where converged. Memory: 24 bytes a node. O(edges) an iteration; about log(tolerance) /
// log(damping) of them, so 142 for 1e-10. Ranks have no unit and sum up to 1.
//
//   const PageRank ranks(graph);
//   Print(ranks.of(graph.Find("home")));
#pragma once

#include <cmath>
#include <vector>

#include "algorithms/graph.h"

namespace rivulet {

struct PageRankOptions {
  double damping = 0.85;
  double tolerance = 1e-10;  // stops when the sum of |changes| of an iteration is below it
  int max_iterations = 1000;
};

class PageRank {
 public:
  explicit PageRank(const Graph& graph, PageRankOptions options = {}) {
    const std::size_t nodes = graph.node_count();
    if (nodes == 0) {
      converged_ = true;
      return;
    }
    const double n = static_cast<double>(nodes);
    const std::vector<double> out = graph.NodeWeights(Graph::Direction::kOut);
    ranks_.assign(nodes, 1 / n);
    std::vector<double> next(nodes);
    while (!converged_ && iterations_ < options.max_iterations) {
      ++iterations_;
      double dangling = 0;
      for (std::size_t i = 0; i < nodes; ++i) {
        if (!(out[i] > 0)) dangling += ranks_[i];
      }
      next.assign(nodes, (1 - options.damping + options.damping * dangling) / n);
      for (const GraphEdge& edge : graph.edges()) {
        next[edge.to] += options.damping * ranks_[edge.from] * (edge.weight / out[edge.from]);
      }
      double change = 0;
      for (std::size_t i = 0; i < nodes; ++i) change += std::abs(next[i] - ranks_[i]);
      ranks_.swap(next);
      converged_ = change < options.tolerance;
    }
  }

  /// Requires a node of the graph.
  double of(GraphNode node) const { return ranks_[node]; }
  const std::vector<double>& ranks() const { return ranks_; }
  int iterations() const { return iterations_; }
  /// False where max_iterations were too few.
  bool converged() const { return converged_; }

 private:
  std::vector<double> ranks_;
  int iterations_ = 0;
  bool converged_ = false;
};

}  // namespace rivulet
