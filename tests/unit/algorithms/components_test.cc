#include "algorithms/components.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "algorithms/graph_paths.h"
#include "tests/unit/algorithms/random_graph.h"

using rivulet::ConnectedComponents;
using rivulet::FewestHops;
using rivulet::Graph;
using rivulet::GraphArcs;
using rivulet::GraphNode;
using rivulet::StrongComponents;

namespace {

std::vector<int> Sizes(const std::vector<std::uint32_t>& components) {
  std::vector<int> sizes;
  for (const std::uint32_t component : components) {
    if (component >= sizes.size()) sizes.resize(component + 1);
    ++sizes[component];
  }
  return sizes;
}

}  // namespace

TEST_CASE("components: of 268 nodes there are as many, and as large, as NetworkX finds") {
  const Graph graph = rivulet::test::RandomGraph(7, 300, 350, 1);
  CHECK(graph.node_count() == 268);
  // NetworkX 2.8.8, weakly_connected_components() and strongly_connected_components().
  CHECK(Sizes(ConnectedComponents(graph)) == std::vector<int>{259, 3, 2, 2, 2});
  const std::vector<int> strong = Sizes(StrongComponents(graph));
  CHECK(strong.size() == 237);
  CHECK(std::vector<int>(strong.begin(), strong.begin() + 4) == std::vector<int>{24, 9, 1, 1});
}

TEST_CASE("components: two nodes are in one exactly where paths say so") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Graph graph = rivulet::test::RandomGraph(seed, 14, 16, 1);
    Graph both;
    for (const auto& edge : graph.edges()) {
      both.AddUndirected(graph.name(edge.from), graph.name(edge.to));
    }
    const GraphArcs arcs(graph);
    const GraphArcs both_arcs(both);
    const auto connected = ConnectedComponents(graph);
    const auto strong = StrongComponents(graph);
    for (GraphNode a = 0; a < graph.node_count(); ++a) {
      for (GraphNode b = 0; b < graph.node_count(); ++b) {
        const bool there = !FewestHops(arcs, a, b).empty();
        const bool back = !FewestHops(arcs, b, a).empty();
        CHECK((strong[a] == strong[b]) == (there && back));
        const bool joined =
            !FewestHops(both_arcs, both.Find(graph.name(a)), both.Find(graph.name(b))).empty();
        CHECK((connected[a] == connected[b]) == joined);
      }
    }
  }
}

TEST_CASE("components: a path of 200,000 nodes overflows no stack") {
  Graph graph;
  constexpr int kNodes = 200'000;
  for (int i = 1; i < kNodes; ++i) graph.AddEdge(std::to_string(i - 1), std::to_string(i));
  CHECK(Sizes(ConnectedComponents(graph)) == std::vector<int>{kNodes});
  CHECK(Sizes(StrongComponents(graph)).size() == kNodes);
  graph.AddEdge(std::to_string(kNodes - 1), "0");
  CHECK(Sizes(StrongComponents(graph)) == std::vector<int>{kNodes});
}
