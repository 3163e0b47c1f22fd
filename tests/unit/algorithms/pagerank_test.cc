#include "algorithms/pagerank.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <string>

#include "tests/unit/algorithms/random_graph.h"

using rivulet::Graph;
using rivulet::PageRank;

namespace {

double Sum(const PageRank& ranks) {
  return std::accumulate(ranks.ranks().begin(), ranks.ranks().end(), 0.0);
}

}  // namespace

TEST_CASE("pagerank: of a graph with a node without edges out and one with an edge to itself") {
  Graph graph;
  graph.AddEdge("a", "b", 5);
  graph.AddEdge("a", "c", 1);
  graph.AddEdge("b", "c", 2);
  graph.AddEdge("c", "a", 3);
  graph.AddEdge("c", "d", 1);
  graph.AddEdge("e", "c", 4);
  graph.AddEdge("d", "d", 2);
  graph.AddEdge("b", "f", 1);
  const PageRank ranks(graph);
  // NetworkX 2.8.8, pagerank(tol=1e-16).
  const std::map<std::string, double> expected = {
      {"a", 0.13727085654151955}, {"b", 0.1325586784095234},  {"c", 0.1599148259067805},
      {"d", 0.46204703687425086}, {"e", 0.03532515502594698}, {"f", 0.07288344724197862}};
  for (const auto& [name, rank] : expected) {
    CHECK(std::abs(ranks.of(graph.Find(name)) - rank) < 1e-9);
  }
  CHECK(Sum(ranks) == doctest::Approx(1));
  CHECK(ranks.converged());
}

TEST_CASE("pagerank: of 190 nodes, 38 of them dangling") {
  const Graph graph = rivulet::test::RandomGraph(12345, 200, 300, 9);
  CHECK(graph.node_count() == 190);
  CHECK(graph.edge_count() == 297);
  const PageRank ranks(graph);
  // NetworkX 2.8.8, pagerank(tol=1e-16).
  CHECK(std::abs(ranks.of(graph.Find("73")) - 0.06911672891420528) < 1e-9);
  CHECK(std::abs(ranks.of(graph.Find("151")) - 0.023027597345235108) < 1e-9);
  CHECK(std::abs(ranks.of(graph.Find("67")) - 0.018533765195119845) < 1e-9);
  CHECK(std::abs(ranks.of(graph.Find("129")) - 0.014002282794595085) < 1e-9);
  CHECK(Sum(ranks) == doctest::Approx(1));
}

TEST_CASE("pagerank: nothing, one node, and too few iterations") {
  CHECK(PageRank(Graph()).ranks().empty());
  Graph one;
  one.AddEdge("a", "a");
  CHECK(PageRank(one).of(0) == doctest::Approx(1));
  const Graph graph = rivulet::test::RandomGraph(1, 50, 100, 1);
  CHECK_FALSE(PageRank(graph, {.max_iterations = 3}).converged());
}
