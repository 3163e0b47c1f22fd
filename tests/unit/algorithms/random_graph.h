// A graph that an independent implementation can make, too.
#pragma once

#include <cstdint>
#include <string>

#include "algorithms/graph.h"

namespace rivulet::test {

/// `edges` times an edge between two of `nodes` nodes, by Knuth's generator for MMIX:
/// s = s * 6364136223846793005 + 1442695040888963407, and what is asked for is s >> 33 modulo.
inline Graph RandomGraph(std::uint64_t seed, int nodes, int edges, int max_weight) {
  const auto below = [&seed](int n) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<int>((seed >> 33) % static_cast<unsigned>(n));
  };
  Graph graph;
  for (int i = 0; i < edges; ++i) {
    const int from = below(nodes);
    const int to = below(nodes);
    graph.AddEdge(std::to_string(from), std::to_string(to),
                  max_weight > 1 ? 1 + below(max_weight) : 1);
  }
  return graph;
}

}  // namespace rivulet::test
