#include "algorithms/graph.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "algorithms/graph_arcs.h"
#include "algorithms/graph_paths.h"

using rivulet::FewestHops;
using rivulet::Graph;
using rivulet::GraphArcs;
using rivulet::GraphEdge;
using rivulet::GraphNode;
using rivulet::GraphOptions;
using rivulet::Likeliest;

namespace {

using Weights = std::map<std::pair<std::string, std::string>, double>;

Weights WeightsOf(const Graph& graph, double scale = 1) {
  Weights weights;
  for (const GraphEdge& edge : graph.edges()) {
    weights[{graph.name(edge.from), graph.name(edge.to)}] = edge.weight * scale;
  }
  return weights;
}

std::string Joined(const Graph& graph, const std::vector<GraphNode>& path) {
  std::string joined;
  for (const GraphNode node : path) joined += graph.name(node);
  return joined;
}

}  // namespace

TEST_CASE("graph: weights of edges and nodes are those of a plain map") {
  std::mt19937 random(1);
  Graph graph;
  Weights model;
  for (int i = 0; i < 5000; ++i) {
    const std::string from = std::to_string(random() % 60);
    const std::string to = std::to_string(random() % 60);
    const auto weight = static_cast<double>(1 + random() % 3);
    CHECK(graph.AddEdge(from, to, weight));
    model[{from, to}] += weight;
  }
  CHECK(WeightsOf(graph) == model);
  CHECK(graph.node_count() == 60);
  std::map<std::string, double> in;
  for (const auto& [edge, weight] : model) in[edge.second] += weight;
  const auto weights = graph.NodeWeights(Graph::Direction::kIn);
  for (GraphNode node = 0; node < graph.node_count(); ++node) {
    CHECK(weights[node] == in[graph.name(node)]);
  }
  CHECK(graph.Find("60") == Graph::kNoNode);
}

TEST_CASE("graph: top edges, top nodes and neighbours come by weight, then by name") {
  Graph graph;
  for (const auto& [from, to, weight] : {std::tuple{"b", "x", 2}, {"a", "y", 2}, {"a", "x", 3}}) {
    graph.AddEdge(from, to, weight);
  }
  const auto top = graph.TopEdges(2);
  REQUIRE(top.size() == 2);
  CHECK(graph.name(top[0].from) + graph.name(top[0].to) == "ax");
  CHECK(graph.name(top[1].from) + graph.name(top[1].to) == "ay");
  const auto nodes = graph.TopNodes(9, Graph::Direction::kIn);
  REQUIRE(nodes.size() == 2);
  CHECK(graph.name(nodes[0].first) == "x");
  CHECK(nodes[0].second == 5);
  const auto of = graph.EdgesOf(graph.Find("a"), Graph::Direction::kOut);
  REQUIRE(of.size() == 2);
  CHECK(graph.name(of[0].to) == "x");
  CHECK(graph.Part(top).edge_count() == 2);
  CHECK(graph.Part(top).node_count() == 3);
}

TEST_CASE("graph: an undirected edge is both directions, a node's to itself once") {
  Graph graph;
  graph.AddUndirected("a", "b", 2);
  graph.AddUndirected("b", "a", 3);
  graph.AddUndirected("c", "c", 4);
  CHECK(WeightsOf(graph) == Weights{{{"a", "b"}, 5}, {{"b", "a"}, 5}, {{"c", "c"}, 4}});
}

TEST_CASE("graph: beyond its bounds edges are refused and counted, what is held stays exact") {
  Graph graph(GraphOptions{.max_nodes = 3, .max_edges = 3});
  CHECK(graph.AddEdge("a", "b"));
  CHECK_FALSE(graph.AddEdge("c", "d"));  // one node too many
  CHECK(graph.AddEdge("b", "c"));
  CHECK(graph.AddEdge("c", "c"));
  CHECK_FALSE(graph.AddEdge("c", "a"));  // one edge too many
  CHECK(graph.AddEdge("a", "b", 4));
  CHECK(graph.refused() == 2);
  CHECK(WeightsOf(graph) == Weights{{{"a", "b"}, 5}, {{"b", "c"}, 1}, {{"c", "c"}, 1}});
}

TEST_CASE("graph: merging is commutative, associative, and as if all had come to one") {
  std::mt19937 random(2);
  Graph parts[3];
  Graph all;
  for (int i = 0; i < 900; ++i) {
    const std::string from = std::to_string(random() % 20);
    const std::string to = std::to_string(random() % 20);
    parts[i % 3].AddEdge(from, to, 2);
    all.AddEdge(from, to, 2);
  }
  Graph left = parts[0];
  left.Merge(parts[1]);
  left.Merge(parts[2]);
  Graph right = parts[2];
  right.Merge(parts[1]);
  Graph other = parts[0];
  other.Merge(right);
  CHECK(WeightsOf(left) == WeightsOf(all));
  CHECK(WeightsOf(other) == WeightsOf(all));
  left.Merge(Graph());
  CHECK(WeightsOf(left) == WeightsOf(all));
  Graph empty;
  empty.Merge(all);
  CHECK(WeightsOf(empty) == WeightsOf(all));
  empty.Merge(empty);
  CHECK(empty.weight(0, 1) == 2 * all.weight(all.Find(empty.name(0)), all.Find(empty.name(1))));
}

TEST_CASE("graph: a weight halves every half-life, whatever the order of times") {
  const double times[] = {5000, 0, 100, 90000, 89000, 1};
  Graph graph(GraphOptions{.half_life = 100});
  Graph parts[2] = {graph, graph};
  double expected = 0;
  for (int i = 0; i < 6; ++i) {
    graph.AddEdge("a", "b", 3, times[i]);
    parts[i % 2].AddEdge("a", "b", 3, times[i]);
    expected += 3 * std::exp2((times[i] - 90050) / 100);
  }
  // The closed form.
  CHECK(graph.edges()[0].weight * graph.scale(90050) == doctest::Approx(expected).epsilon(1e-12));
  CHECK(graph.latest() == 90000);
  parts[0].Merge(parts[1]);
  CHECK(parts[0].edges()[0].weight * parts[0].scale(90050) ==
        doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("graph: decay never overflows, and what has faded is forgotten") {
  Graph graph(GraphOptions{.half_life = 1});
  for (int i = 0; i < 5000; ++i) {
    graph.AddEdge("old" + std::to_string(i), "b", 1, i);
    graph.AddEdge("a", "b", 1, i);
  }
  // Of a sum of 1 + 1/2 + 1/4…; the last ones only are not forgotten.
  const double weight = graph.weight(graph.Find("a"), graph.Find("b")) * graph.scale(4999);
  CHECK(weight == doctest::Approx(2).epsilon(1e-5));
  CHECK(graph.edge_count() < 200);
  graph.AddEdge("a", "b", 1, 1e300);
  CHECK(graph.edge_count() == 1);
  CHECK(graph.edges()[0].weight == 1);
  CHECK(graph.AddEdge("a", "b", 1, -1e300));
  CHECK(graph.edges()[0].weight == 1);
}

TEST_CASE("graph: a full decaying graph makes room by forgetting what has faded") {
  Graph graph(GraphOptions{.max_edges = 10, .half_life = 1});
  for (int i = 0; i < 10; ++i) CHECK(graph.AddEdge("a", std::to_string(i), i < 5 ? 1e-9 : 1, 0));
  CHECK_FALSE(graph.AddEdge("a", "new", 1, 0.5));
  CHECK(graph.AddEdge("a", "new", 1, 2));
  CHECK(graph.edge_count() == 6);
  CHECK(graph.Find("0") == Graph::kNoNode);
  CHECK(graph.weight(graph.Find("a"), graph.Find("9")) * graph.scale(2) == 0.25);
  CHECK(graph.weight(graph.Find("a"), graph.Find("new")) * graph.scale(2) == 1);
}

TEST_CASE("graph: what is loaded is what was saved, and goes on as it") {
  Graph graph(GraphOptions{.half_life = 10});
  std::mt19937 random(3);
  const auto add = [&random](Graph* to, int i) {
    to->AddEdge(std::to_string(random() % 9), std::to_string(random() % 9), 0.1, i);
  };
  for (int i = 0; i < 500; ++i) add(&graph, i);
  graph.AddEdge("", std::string("\0\xff", 2), 1, 500);
  const std::string saved = graph.Save();
  auto loaded = Graph::Load(saved, GraphOptions{.half_life = 10});
  REQUIRE(loaded);
  CHECK(loaded->Save() == saved);
  const std::mt19937 there = random;
  for (int i = 500; i < 1000; ++i) add(&graph, i);
  random = there;
  for (int i = 500; i < 1000; ++i) add(&*loaded, i);
  CHECK(loaded->Save() == graph.Save());
  CHECK_FALSE(Graph::Load(saved));  // of another half-life
}

TEST_CASE("graph: bytes that are none of a graph are refused, wherever they are cut or changed") {
  Graph graph;
  graph.AddEdge("a", "b");
  graph.AddEdge("b", "c");
  const std::string saved = graph.Save();
  for (std::size_t i = 0; i < saved.size(); ++i) CHECK_FALSE(Graph::Load(saved.substr(0, i)));
  CHECK_FALSE(Graph::Load(saved + "x"));
  for (std::size_t i = 0; i < saved.size() * 8; ++i) {
    std::string changed = saved;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    const auto loaded = Graph::Load(changed);
    if (loaded) CHECK(loaded->edge_count() == 2);
  }
}

TEST_CASE("paths: the fewest hops, and the likeliest, which may be longer") {
  Graph graph;
  graph.AddEdge("a", "z", 1);
  graph.AddEdge("a", "b", 99);
  graph.AddEdge("b", "c", 7);
  graph.AddEdge("c", "z", 7);
  graph.AddEdge("z", "a", 1);
  graph.AddEdge("e", "a", 1);
  const GraphArcs arcs(graph);
  const GraphNode a = graph.Find("a");
  const GraphNode z = graph.Find("z");
  CHECK(Joined(graph, FewestHops(arcs, a, z)) == "az");
  CHECK(Joined(graph, Likeliest(arcs, a, z)) == "abcz");  // .99 against .01
  CHECK(Joined(graph, FewestHops(arcs, a, a)) == "a");
  CHECK(Joined(graph, Likeliest(arcs, a, a)) == "a");
  CHECK(FewestHops(arcs, a, graph.Find("e")).empty());
  CHECK(Likeliest(arcs, a, graph.Find("e")).empty());
}

TEST_CASE("paths: the likeliest is that of a search of all paths") {
  std::mt19937 random(4);
  for (int round = 0; round < 40; ++round) {
    Graph graph;
    for (char c = 'a'; c <= 'f'; ++c) graph.AddEdge(std::string(1, c), "g", 1e-3);
    for (int i = 0; i < 14; ++i) {
      graph.AddEdge(std::string(1, static_cast<char>('a' + random() % 6)),
                    std::string(1, static_cast<char>('a' + random() % 6)),
                    static_cast<double>(1 + random() % 9));
    }
    const auto out = graph.NodeWeights(Graph::Direction::kOut);
    const auto share = [&](const GraphEdge& e) { return e.weight / out[e.from]; };
    // Bellman and Ford's, on probabilities.
    std::vector<double> best(graph.node_count(), 0.0);
    best[graph.Find("a")] = 1;
    for (int i = 0; i < 7; ++i) {
      for (const GraphEdge& e : graph.edges()) {
        best[e.to] = std::max(best[e.to], best[e.from] * share(e));
      }
    }
    for (char c = 'b'; c <= 'f'; ++c) {
      const GraphNode to = graph.Find(std::string(1, c));
      const auto path = Likeliest(GraphArcs(graph), graph.Find("a"), to);
      double product = path.empty() ? 0 : 1;
      for (std::size_t i = 1; i < path.size(); ++i) {
        product *= graph.weight(path[i - 1], path[i]) / out[path[i - 1]];
      }
      CHECK(product == doctest::Approx(best[to]));
    }
  }
}
