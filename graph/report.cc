#include "graph/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>
#include <vector>

#include "algorithms/graph_arcs.h"
#include "algorithms/graph_paths.h"
#include "algorithms/json_view.h"
#include "algorithms/pagerank.h"
#include "base/log.h"
#include "graph/export.h"
#include "graph/names.h"

namespace rivulet {
namespace {

/// For people: whole numbers whole, others with 6 digits.
std::string ShownWeight(double weight) {
  if (weight == std::floor(weight) && weight < 1e15) return fmt::format("{:.0f}", weight);
  return fmt::format("{:.6g}", weight);
}

using Row = std::pair<std::string, std::string>;  // a number, and what it is of

/// The numbers to the right.
std::string Table(const std::vector<Row>& rows) {
  std::size_t width = 0;
  for (const Row& row : rows) width = std::max(width, row.first.size());
  std::string text;
  for (const Row& row : rows) {
    fmt::format_to(std::back_inserter(text), "{:>{}}  {}\n", row.first, width, row.second);
  }
  return text;
}

std::string Named(std::string_view name) {
  return name.empty() ? std::string("\"\"") : EscapeControl(name);
}

std::vector<std::pair<GraphNode, double>> TopByRank(const Graph& graph, std::size_t most) {
  const PageRank ranks(graph);
  std::vector<std::pair<GraphNode, double>> top;
  for (GraphNode node = 0; node < graph.node_count(); ++node)
    top.emplace_back(node, ranks.of(node));
  std::sort(top.begin(), top.end(), [&graph](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : graph.name(a.first) < graph.name(b.first);
  });
  top.resize(std::min(most, top.size()));
  return top;
}

std::string TopNodesReport(const Graph& graph, std::string_view by, std::size_t most, bool json) {
  const auto top = by == "pagerank" ? TopByRank(graph, most)
                                    : graph.TopNodes(most, by == "in" ? Graph::Direction::kIn
                                                                      : Graph::Direction::kOut);
  JsonView view;
  view.BeginObject().Key("nodes").BeginArray();
  std::vector<Row> rows;
  for (const auto& [node, weight] : top) {
    const char* const what = by == "pagerank" ? "pagerank" : "weight";
    view.BeginObject().Field("node", JsonName(graph.name(node))).Field(what, weight);
    view.EndObject();
    rows.emplace_back(ShownWeight(weight), Named(graph.name(node)));
  }
  view.EndArray().EndObject();
  return json ? view.Take() + "\n" : Table(rows);
}

Status NoNode(std::string_view name) {
  return {StatusCode::kNotFound, fmt::format("the graph has no node '{}'", EscapeControl(name))};
}

}  // namespace

std::string TopReport(const Graph& graph, std::string_view by, std::uint64_t most, bool json) {
  const auto kept = static_cast<std::size_t>(most);
  if (by != "edges") return TopNodesReport(graph, by, kept, json);
  JsonView view;
  view.BeginObject().Key("edges").BeginArray();
  std::vector<Row> rows;
  for (const GraphEdge& edge : graph.TopEdges(kept)) {
    const std::string& from = graph.name(edge.from);
    const std::string& to = graph.name(edge.to);
    view.BeginObject()
        .Field("source", JsonName(from))
        .Field("target", JsonName(to))
        .Field("weight", edge.weight)
        .EndObject();
    rows.emplace_back(ShownWeight(edge.weight), Named(from) + " -> " + Named(to));
  }
  view.EndArray().EndObject();
  return json ? view.Take() + "\n" : Table(rows);
}

Result<std::string> NeighborsReport(const Graph& graph, std::string_view node, std::uint64_t most,
                                    bool json) {
  const GraphNode found = graph.Find(node);
  if (found == Graph::kNoNode) return NoNode(node);
  JsonView view;
  view.BeginObject().Field("node", JsonName(node));
  std::vector<Row> rows;
  for (const bool out : {true, false}) {
    auto edges = graph.EdgesOf(found, out ? Graph::Direction::kOut : Graph::Direction::kIn);
    if (most > 0 && edges.size() > most) edges.resize(static_cast<std::size_t>(most));
    view.Key(out ? "out" : "in").BeginArray();
    for (const GraphEdge& edge : edges) {
      const std::string& other = graph.name(out ? edge.to : edge.from);
      view.BeginObject().Field("node", JsonName(other)).Field("weight", edge.weight).EndObject();
      rows.emplace_back(ShownWeight(edge.weight), (out ? "-> " : "<- ") + Named(other));
    }
    view.EndArray();
  }
  view.EndObject();
  return json ? view.Take() + "\n" : Table(rows);
}

Result<std::string> PathReport(const Graph& graph, std::string_view from, std::string_view to,
                               std::string_view by, bool json) {
  const GraphNode first = graph.Find(from);
  const GraphNode last = graph.Find(to);
  if (first == Graph::kNoNode) return NoNode(from);
  if (last == Graph::kNoNode) return NoNode(to);
  const GraphArcs arcs(graph);
  const auto path =
      by == "likelihood" ? Likeliest(arcs, first, last) : FewestHops(arcs, first, last);
  if (path.empty()) {
    return Status(StatusCode::kNotFound, fmt::format("there is no path from '{}' to '{}'",
                                                     EscapeControl(from), EscapeControl(to)));
  }
  const auto out = graph.NodeWeights(Graph::Direction::kOut);
  JsonView view;
  view.BeginObject().Field("hops", path.size() - 1).Key("path").BeginArray();
  for (const GraphNode node : path) view.Value(JsonName(graph.name(node)));
  view.EndArray().Key("weights").BeginArray();
  std::vector<Row> rows = {{"", Named(graph.name(first))}};
  double probability = 1;
  for (std::size_t i = 1; i < path.size(); ++i) {
    const double weight = graph.weight(path[i - 1], path[i]);
    probability *= weight / out[path[i - 1]];
    view.Value(weight);
    rows.emplace_back(ShownWeight(weight), "-> " + Named(graph.name(path[i])));
  }
  view.EndArray().Field("probability", probability).EndObject();
  if (json) return view.Take() + "\n";
  return Table(rows) +
         fmt::format("{} hops, taken with probability {:.4g}\n", path.size() - 1, probability);
}

}  // namespace rivulet
