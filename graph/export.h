// A graph as the formats that other programs read.
//
//   DOT      graphviz (dot, sfdp): nodes are n0, n1, … with the first 40 characters of their names
//            as `label`, and where that is not all of it the `name`, to 4 KiB
//   GraphML  NetworkX, Gephi, yEd: read_graphml(); nodes are n0, n1, … with the whole `name`, and
//            `label` as above
//   JSON     NetworkX's node-link form, node_link_graph(): "directed", "multigraph", "graph",
//            "nodes" [{"id"}], "links" [{"source","target","weight"}]
//   SVG      what graphviz draws of the DOT, where it is installed
//
// Names are bytes: in JSON those that are no UTF-8 are escaped so that different names stay
// different (JsonName()); in the others, where the ids tell nodes apart, they and control
// characters are shown as U+FFFD. Attributes where they are asked for: `pagerank`, `component` (0
// is the largest) and, of a directed graph, `strong_component`; they are of the whole graph, also
// where only its strongest edges are written. O(edges log edges) and the text in memory.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "algorithms/graph.h"
#include "base/status.h"

namespace rivulet {

struct ExportOptions {
  /// Each pair of nodes once, with the larger of its two weights: for a graph that was written so.
  bool undirected = false;
  /// Only the strongest, and the nodes that they join.
  std::size_t max_edges = std::numeric_limits<std::size_t>::max();
  bool pagerank = false;
  bool components = false;
};

/// Each pair of nodes once, with the larger of its two weights. O(edges).
std::vector<GraphEdge> UndirectedEdges(const Graph& graph);

/// The same graph with both directions of each edge, with the larger of the two weights, as of the
/// graph's last time. O(edges).
Graph BothDirections(const Graph& graph);

/// A graph as it is to be written.
class ExportedGraph {
 public:
  /// `graph` outlives it. Computes what is asked for.
  ExportedGraph(const Graph& graph, const ExportOptions& options);

  std::string Dot() const;
  std::string GraphMl() const;
  std::string Json() const;

  std::size_t node_count() const { return part_.node_count(); }
  std::size_t edge_count() const { return part_.edge_count(); }

 private:
  /// For nodes of part_, in their order: name and numbers of an attribute.
  struct Attribute {
    std::string name;
    bool whole = false;
    std::vector<double> values;
  };
  void AddAttributes(const Graph& whole, const ExportOptions& options);
  void AddAttribute(const Graph& whole, std::string name, const std::vector<double>& values,
                    bool whole_numbers);

  bool undirected_;
  double scale_;
  Graph part_;
  std::vector<Attribute> attributes_;
};

/// The node-link form again: "links" or, as later NetworkX writes them, "edges"; a link without a
/// weight has 1. Of an undirected graph both directions of each link, of which there may be twice
/// as many. kInvalidArgument says what is no graph, kTooLarge where there are more edges.
Result<Graph> ParseGraphJson(std::string_view text, std::size_t max_edges);

/// As edge weights are written: whole numbers exactly, others in the shortest form.
std::string WeightText(double weight);

}  // namespace rivulet
