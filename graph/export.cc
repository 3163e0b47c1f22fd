#include "graph/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "algorithms/components.h"
#include "algorithms/pagerank.h"
#include "base/json.h"
#include "graph/names.h"

namespace rivulet {
namespace {

// A string of DOT of 16 KiB is too long for graphviz.
constexpr std::size_t kMaxDotNameBytes = 4096;

Graph PartOf(const Graph& graph, const ExportOptions& options) {
  Graph folded;
  const Graph* of = &graph;
  if (options.undirected) {
    folded = graph.Part(UndirectedEdges(graph));
    of = &folded;
  }
  if (options.max_edges >= of->edge_count()) return *of;
  return of->Part(of->TopEdges(options.max_edges));
}

}  // namespace

std::vector<GraphEdge> UndirectedEdges(const Graph& graph) {
  std::vector<GraphEdge> edges;
  for (const GraphEdge& edge : graph.edges()) {
    const double back = edge.from == edge.to ? 0 : graph.weight(edge.to, edge.from);
    if (back > 0 && edge.from > edge.to) continue;
    edges.push_back({edge.from, edge.to, std::max(edge.weight, back)});
  }
  return edges;
}

Graph BothDirections(const Graph& graph) {
  Graph both(GraphOptions{.max_nodes = graph.node_count(), .max_edges = 2 * graph.edge_count()});
  const double scale = graph.scale(graph.latest());
  for (const GraphEdge& edge : UndirectedEdges(graph)) {
    const double weight = edge.weight * scale;
    if (weight > 0) both.AddUndirected(graph.name(edge.from), graph.name(edge.to), weight);
  }
  return both;
}

std::string WeightText(double weight) {
  std::string text;
  AppendJsonNumber(&text, weight);
  return text;
}

ExportedGraph::ExportedGraph(const Graph& graph, const ExportOptions& options)
    : undirected_(options.undirected),
      scale_(graph.scale(graph.latest())),
      part_(PartOf(graph, options)) {
  if (!options.pagerank && !options.components) return;
  if (!undirected_) {
    AddAttributes(graph, options);
    return;
  }
  Graph both = BothDirections(graph);
  AddAttributes(both, options);
}

void ExportedGraph::AddAttributes(const Graph& whole, const ExportOptions& options) {
  const auto numbers = [](const std::vector<std::uint32_t>& components) {
    return std::vector<double>(components.begin(), components.end());
  };
  if (options.pagerank) AddAttribute(whole, "pagerank", PageRank(whole).ranks(), false);
  if (!options.components) return;
  AddAttribute(whole, "component", numbers(ConnectedComponents(whole)), true);
  if (undirected_) return;
  AddAttribute(whole, "strong_component", numbers(StrongComponents(whole)), true);
}

void ExportedGraph::AddAttribute(const Graph& whole, std::string name,
                                 const std::vector<double>& values, bool whole_numbers) {
  Attribute attribute{std::move(name), whole_numbers, {}};
  for (GraphNode node = 0; node < part_.node_count(); ++node) {
    attribute.values.push_back(values[whole.Find(part_.name(node))]);
  }
  attributes_.push_back(std::move(attribute));
}

std::string ExportedGraph::Dot() const {
  std::string dot = undirected_ ? "graph {\n" : "digraph {\n";
  const auto out = std::back_inserter(dot);
  dot +=
      "  graph [rankdir=LR, overlap=prism, splines=true, outputorder=edgesfirst]\n"
      "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#eef4fa\", color=\"#2a6fb0\","
      " fontname=\"sans-serif\", fontsize=11]\n"
      "  edge [color=\"#2a6fb080\", fontname=\"sans-serif\", fontsize=9, arrowsize=0.7]\n";
  for (GraphNode node = 0; node < part_.node_count(); ++node) {
    const std::string& name = part_.name(node);
    const std::string label = ShortName(name);
    fmt::format_to(out, "  n{} [label={}", node, DotQuoted(label));
    if (label != name && name.size() <= kMaxDotNameBytes) {
      fmt::format_to(out, ", name={}", DotQuoted(name));
    }
    for (const Attribute& attribute : attributes_) {
      fmt::format_to(out, ", {}={}", attribute.name, WeightText(attribute.values[node]));
    }
    dot += "]\n";
  }
  double greatest = 0;
  for (const GraphEdge& edge : part_.edges()) greatest = std::max(greatest, edge.weight);
  for (const GraphEdge& edge : part_.edges()) {
    fmt::format_to(out, "  n{} {} n{} [label=\"{}\", penwidth={:.2f}]\n", edge.from,
                   undirected_ ? "--" : "->", edge.to, WeightText(edge.weight * scale_),
                   0.5 + 5.5 * std::sqrt(edge.weight / greatest));
  }
  return dot + "}\n";
}

std::string ExportedGraph::GraphMl() const {
  std::string xml =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n"
      "  <key id=\"weight\" for=\"edge\" attr.name=\"weight\" attr.type=\"double\"/>\n"
      "  <key id=\"name\" for=\"node\" attr.name=\"name\" attr.type=\"string\"/>\n"
      "  <key id=\"label\" for=\"node\" attr.name=\"label\" attr.type=\"string\"/>\n";
  const auto out = std::back_inserter(xml);
  for (const Attribute& attribute : attributes_) {
    fmt::format_to(out, "  <key id=\"{0}\" for=\"node\" attr.name=\"{0}\" attr.type=\"{1}\"/>\n",
                   attribute.name, attribute.whole ? "long" : "double");
  }
  fmt::format_to(out, "  <graph edgedefault=\"{}\">\n", undirected_ ? "undirected" : "directed");
  for (GraphNode node = 0; node < part_.node_count(); ++node) {
    const std::string& name = part_.name(node);
    fmt::format_to(out, "    <node id=\"n{}\"><data key=\"name\">{}</data>", node,
                   XmlEscaped(name));
    fmt::format_to(out, "<data key=\"label\">{}</data>", XmlEscaped(ShortName(name)));
    for (const Attribute& attribute : attributes_) {
      fmt::format_to(out, "<data key=\"{}\">{}</data>", attribute.name,
                     WeightText(attribute.values[node]));
    }
    xml += "</node>\n";
  }
  for (const GraphEdge& edge : part_.edges()) {
    fmt::format_to(
        out, "    <edge source=\"n{}\" target=\"n{}\"><data key=\"weight\">{}</data></edge>\n",
        edge.from, edge.to, WeightText(edge.weight * scale_));
  }
  return xml + "  </graph>\n</graphml>\n";
}

std::string ExportedGraph::Json() const {
  std::string json = fmt::format(
      "{{\"directed\":{},\"multigraph\":false,\"graph\":{{}},\"nodes\":[", !undirected_);
  for (GraphNode node = 0; node < part_.node_count(); ++node) {
    json += node == 0 ? "\n{\"id\":" : ",\n{\"id\":";
    AppendJsonString(&json, JsonName(part_.name(node)));
    for (const Attribute& attribute : attributes_) {
      json += fmt::format(",\"{}\":", attribute.name);
      AppendJsonNumber(&json, attribute.values[node]);
    }
    json += '}';
  }
  json += "],\n\"links\":[";
  bool first = true;
  for (const GraphEdge& edge : part_.edges()) {
    json += first ? "\n{\"source\":" : ",\n{\"source\":";
    first = false;
    AppendJsonString(&json, JsonName(part_.name(edge.from)));
    json += ",\"target\":";
    AppendJsonString(&json, JsonName(part_.name(edge.to)));
    json += ",\"weight\":";
    AppendJsonNumber(&json, edge.weight * scale_);
    json += '}';
  }
  return json + "]}\n";
}

}  // namespace rivulet
