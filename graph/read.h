// A graph out of a store: one sorted set a node, at PREFIX + its name, with the weights of the
// edges to its members. Whoever wrote it: the task `graph`, or any client (ZINCRBY graph:a 1 b).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/graph.h"
#include "base/clock.h"
#include "base/status.h"
#include "store/store.h"

namespace rivulet {

struct ReadGraphOptions {
  std::string prefix{};  // the store's own keys are left out
  std::size_t max_edges = 10'000'000;
  /// Weights that decay are as of then; of a set whose landmark is later, as of its landmark.
  WallTime at{};
};

struct ReadGraph {
  Graph graph;
  /// Members whose score is no weight (0, below, beyond): they are left out.
  std::uint64_t left_out = 0;
};

/// Reads all of it: kTooLarge where there are more edges. Others may write meanwhile: each node is
/// read at one time, different nodes at different times. O(all keys of the store), and 3 commands a
/// node.
Result<ReadGraph> ReadGraphFrom(Store* store, const ReadGraphOptions& options);

}  // namespace rivulet
