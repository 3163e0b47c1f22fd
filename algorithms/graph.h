// A weighted directed graph that grows with a stream: who leads to whom, how often, and how lately.
//
// Decay: forward decay (G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu, "Forward Decay: A
// Practical Time Decay Model for Streaming Systems", ICDE 2009). A weight added at time t counts
// 2^((t - landmark) / half_life) as of the landmark, so that an update touches one edge. The
// landmark moves on, which goes over all edges, once in 30 half-lives, so that nothing overflows;
// and where there is no room, once a half-life. Edges below a millionth of the mean weight are
// forgotten then: at most a millionth of the total weight a time. Late edges count what is left of
// them. So an edge of a far future time makes all older weights vanish: whoever does not trust the
// times refuses those (tasks/graph.h).
//
// Error: none but of adding doubles; whole weights are exact to 2^53. Bounds: edges beyond
// `max_nodes` or `max_edges` are refused and counted; what is held stays exact. Memory: about 32
// bytes an edge, 60 bytes a node and what names longer than 15 bytes take. AddEdge: O(1), two
// hashes of names and one of the edge. Top: O(edges log n). Units: of the weights; times and the
// half-life in any one unit.
//
//   Graph clicks;
//   for (const auto& click : stream) clicks.AddEdge(click.referrer, click.url);
//   clicks.Merge(clicks_of_another_reader);
//   for (const GraphEdge& edge : clicks.TopEdges(10)) Print(clicks.name(edge.from), edge.weight);
//   std::string saved = clicks.Save();
//
// Paths: algorithms/graph_paths.h; PageRank: pagerank.h; components: components.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/bytes.h"
#include "algorithms/siphash.h"

namespace rivulet {

/// A node is its number, from 0, in the order in which they came.
using GraphNode = std::uint32_t;

struct GraphEdge {
  GraphNode from = 0;
  GraphNode to = 0;
  double weight = 0;
};

struct GraphOptions {
  std::size_t max_nodes = 1'000'000;  // at most 2^32 - 2
  std::size_t max_edges = 10'000'000;
  double half_life = 0;    // 0: weights do not decay
  std::uint64_t seed = 0;  // so that names cannot be made to collide; results do not depend on it
};

class Graph {
 public:
  static constexpr GraphNode kNoNode = 0xffffffff;
  /// Of one edge; so that no sum overflows.
  static constexpr double kMaxWeight = 1e200;
  enum class Direction : std::uint8_t { kOut, kIn };

  explicit Graph(GraphOptions options = {})
      : options_(options), name_slots_(16, kNoNode), edge_slots_(16, kFree) {}

  /// True for a weight that AddEdge() takes.
  static bool IsWeight(double weight) { return weight > 0 && weight <= kMaxWeight; }

  /// Adds to the weight of the edge, made when there is none. Requires IsWeight() and a finite
  /// `at`. False where there was no room.
  bool AddEdge(std::string_view from, std::string_view to, double weight = 1, double at = 0) {
    return Add(from, to, weight * Grown(at), at);
  }
  /// Both directions; of a node to itself the one. Takes room for two edges.
  bool AddUndirected(std::string_view a, std::string_view b, double weight = 1, double at = 0) {
    const bool there = AddEdge(a, b, weight, at);
    return a == b ? there : AddEdge(b, a, weight, at) && there;
  }

  /// As if the other's edges had been added here. A decaying graph merges with one of the same
  /// half-life. What there is no room for is counted. May be given itself.
  void Merge(const Graph& other) {
    if (&other == this) {
      for (GraphEdge& edge : edges_) edge.weight *= 2;
      refused_ *= 2;
      return;
    }
    // Before any weight is scaled: our own landmark may move on.
    if (other.latest_) Grown(*other.latest_);
    const double scale = options_.half_life > 0 && latest_
                             ? std::exp2((other.landmark_ - landmark_) / options_.half_life)
                             : 1;
    refused_ += other.refused_;
    for (const GraphEdge& edge : other.edges_) {
      const double weight = edge.weight * scale;
      if (weight > 0) Add(other.names_[edge.from], other.names_[edge.to], weight, landmark_);
    }
  }

  std::size_t node_count() const { return names_.size(); }
  std::size_t edge_count() const { return edges_.size(); }
  /// Edges that AddEdge() had no room for.
  std::uint64_t refused() const { return refused_; }
  /// Requires a node of this graph. Valid until the next change.
  const std::string& name(GraphNode node) const { return names_[node]; }
  /// kNoNode where there is none of that name.
  GraphNode Find(std::string_view name) const { return name_slots_[ProbeName(name)]; }
  /// The weight as edges() has it; 0 where there is no such edge.
  double weight(GraphNode from, GraphNode to) const {
    const std::uint32_t held = edge_slots_[ProbeEdge(from, to)];
    return held == kFree ? 0 : edges_[held].weight;
  }
  /// In the order in which they came. Of a decaying graph times scale(at) is the weight at `at`.
  const std::vector<GraphEdge>& edges() const { return edges_; }
  double half_life() const { return options_.half_life; }
  /// The latest time that an edge was added at; 0 for none.
  double latest() const { return latest_.value_or(0); }
  /// 1 where nothing decays; before the landmark, as at it.
  double scale(double at) const {
    if (!(options_.half_life > 0)) return 1;
    return std::exp2(-std::max(0.0, at - landmark_) / options_.half_life);
  }

  /// The (at most) `n` strongest edges, strongest first; of equal ones by name. Weights as in
  /// edges().
  std::vector<GraphEdge> TopEdges(std::size_t n) const {
    std::vector<GraphEdge> top = edges_;
    const std::size_t kept = std::min(n, top.size());
    std::partial_sort(top.begin(), top.begin() + static_cast<std::ptrdiff_t>(kept), top.end(),
                      [this](const GraphEdge& a, const GraphEdge& b) {
                        if (a.weight != b.weight) return a.weight > b.weight;
                        if (a.from != b.from) return names_[a.from] < names_[b.from];
                        return names_[a.to] < names_[b.to];
                      });
    top.resize(kept);
    return top;
  }
  /// For each node the weight of its edges out, or in.
  std::vector<double> NodeWeights(Direction direction) const {
    std::vector<double> weights(names_.size(), 0.0);
    for (const GraphEdge& edge : edges_) {
      weights[direction == Direction::kOut ? edge.from : edge.to] += edge.weight;
    }
    return weights;
  }
  /// The (at most) `n` nodes of the greatest such weight, which are above 0; of equal ones by name.
  std::vector<std::pair<GraphNode, double>> TopNodes(std::size_t n, Direction direction) const {
    const std::vector<double> weights = NodeWeights(direction);
    std::vector<std::pair<GraphNode, double>> top;
    for (GraphNode node = 0; node < weights.size(); ++node) {
      if (weights[node] > 0) top.emplace_back(node, weights[node]);
    }
    const std::size_t kept = std::min(n, top.size());
    std::partial_sort(top.begin(), top.begin() + static_cast<std::ptrdiff_t>(kept), top.end(),
                      [this](const auto& a, const auto& b) {
                        return a.second != b.second ? a.second > b.second
                                                    : names_[a.first] < names_[b.first];
                      });
    top.resize(kept);
    return top;
  }
  /// Where the node's edges lead to, or come from, strongest first. O(edges).
  std::vector<GraphEdge> EdgesOf(GraphNode node, Direction direction) const {
    std::vector<GraphEdge> of;
    for (const GraphEdge& edge : edges_) {
      if ((direction == Direction::kOut ? edge.from : edge.to) == node) of.push_back(edge);
    }
    std::sort(of.begin(), of.end(), [this](const GraphEdge& a, const GraphEdge& b) {
      if (a.weight != b.weight) return a.weight > b.weight;
      return std::pair(names_[a.from], names_[a.to]) < std::pair(names_[b.from], names_[b.to]);
    });
    return of;
  }
  /// Those edges, as given, and the nodes that they join.
  Graph Part(const std::vector<GraphEdge>& edges) const {
    Graph part(options_);
    part.landmark_ = landmark_;
    part.latest_ = latest_;
    for (const GraphEdge& edge : edges) part.Add(names_[edge.from], names_[edge.to], edge.weight);
    return part;
  }

  std::string Save() const {
    std::string bytes;
    PutUint64(&bytes, kFormat);
    for (const double number : {options_.half_life, landmark_, latest()}) PutDouble(&bytes, number);
    for (const std::uint64_t number :
         {std::uint64_t{latest_.has_value()}, refused_, std::uint64_t{names_.size()},
          std::uint64_t{edges_.size()}}) {
      PutUint64(&bytes, number);
    }
    for (const std::string& name : names_) {
      PutUint64(&bytes, name.size());
      bytes += name;
    }
    for (const GraphEdge& edge : edges_) {
      PutUint64(&bytes, EdgeKey(edge.from, edge.to));
      PutDouble(&bytes, edge.weight);
    }
    return bytes;
  }
  /// Nothing when `bytes` are not what Save() wrote, of a graph with that half-life. What is loaded
  /// goes on exactly as the saved one; it may hold more than the limits, and takes nothing new
  /// then.
  static std::optional<Graph> Load(std::string_view bytes, GraphOptions options = {}) {
    ByteReader reader(bytes);
    if (reader.Uint64() != kFormat || reader.Double() != options.half_life) return std::nullopt;
    Graph graph(options);
    graph.landmark_ = reader.Double();
    const double latest = reader.Double();
    if (!std::isfinite(graph.landmark_) || !std::isfinite(latest)) return std::nullopt;
    if (reader.Uint64() != 0) graph.latest_ = latest;
    graph.refused_ = reader.Uint64();
    const std::uint64_t nodes = reader.Uint64();
    const std::uint64_t edges = reader.Uint64();
    // Each takes bytes, so a wrong number ends soon.
    for (std::uint64_t i = 0; i < nodes && reader.ok(); ++i) {
      const std::string_view name = reader.Bytes(reader.Uint64());
      if (graph.Find(name) != kNoNode || graph.names_.size() >= kNoNode - 1) return std::nullopt;
      graph.Insert(name);
    }
    for (std::uint64_t i = 0; i < edges && reader.ok(); ++i) {
      const std::uint64_t key = reader.Uint64();
      const auto from = static_cast<GraphNode>(key >> 32);
      const auto to = static_cast<GraphNode>(key);
      const double weight = reader.Double();
      const bool fits = from < graph.names_.size() && to < graph.names_.size() &&
                        std::isfinite(weight) && weight > 0 && graph.weight(from, to) == 0;
      if (!fits) return std::nullopt;
      graph.Insert(from, to, weight);
    }
    if (!reader.Finished()) return std::nullopt;
    return graph;
  }

 private:
  static constexpr std::uint32_t kFree = 0xffffffff;
  static constexpr std::uint64_t kFormat = 0x20'31'68'70'61'72'67'20ULL;  // " graph1 "
  static constexpr double kMostHalfLives = 30;

  static std::uint64_t EdgeKey(GraphNode from, GraphNode to) {
    return std::uint64_t{from} << 32 | to;
  }
  std::uint64_t Hash(std::string_view name) const {
    return SipHash<1, 3>(name, options_.seed, 0x9e3779b97f4a7c15ULL);
  }
  // The finalizer of SplitMix64. Numbers of nodes are not what senders choose, so that it suffices.
  std::uint64_t Hash(GraphNode from, GraphNode to) const {
    std::uint64_t z = EdgeKey(from, to) + options_.seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // The slot that holds it, or the free one where it would go.
  std::size_t ProbeName(std::string_view name) const {
    const std::size_t mask = name_slots_.size() - 1;
    std::size_t slot = Hash(name) & mask;
    while (name_slots_[slot] != kNoNode && names_[name_slots_[slot]] != name) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }
  std::size_t ProbeEdge(GraphNode from, GraphNode to) const {
    const std::size_t mask = edge_slots_.size() - 1;
    std::size_t slot = Hash(from, to) & mask;
    while (edge_slots_[slot] != kFree) {
      const GraphEdge& edge = edges_[edge_slots_[slot]];
      if (edge.from == from && edge.to == to) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  // What a weight of 1 at that time is as of the landmark, which is moved where it must be.
  double Grown(double at) {
    if (!latest_) landmark_ = at;
    latest_ = std::max(latest_.value_or(at), at);
    if (!(options_.half_life > 0)) return 1;
    if (at - landmark_ > kMostHalfLives * options_.half_life) MoveLandmark(at);
    return std::exp2((at - landmark_) / options_.half_life);
  }

  // `weight` as of the landmark.
  bool Add(std::string_view from, std::string_view to, double weight,
           std::optional<double> at = std::nullopt) {
    GraphNode a = Find(from);
    GraphNode b = Find(to);
    const bool known = a != kNoNode && b != kNoNode;
    if (known) {
      if (const std::uint32_t held = edge_slots_[ProbeEdge(a, b)]; held != kFree) {
        edges_[held].weight += weight;
        return true;
      }
    }
    // So late that nothing is left of it.
    if (!(weight > 0)) return true;
    if (!HasRoom(from, to, a, b)) {
      const double before = landmark_;
      if (!at || options_.half_life <= 0 || *at - landmark_ < options_.half_life) return Refuse();
      MoveLandmark(*at);
      weight *= std::exp2((before - landmark_) / options_.half_life);
      a = Find(from);
      b = Find(to);
      if (!HasRoom(from, to, a, b)) return Refuse();
    }
    if (a == kNoNode) a = Insert(from);
    if (b == kNoNode) b = from == to ? a : Insert(to);
    Insert(a, b, weight);
    return true;
  }
  bool Refuse() {
    ++refused_;
    return false;
  }
  bool HasRoom(std::string_view from, std::string_view to, GraphNode a, GraphNode b) const {
    const std::size_t missing = (a == kNoNode ? 1U : 0U) + (b == kNoNode && from != to ? 1U : 0U);
    return edges_.size() < std::min<std::size_t>(options_.max_edges, kFree - 1) &&
           names_.size() + missing <= std::min<std::size_t>(options_.max_nodes, kNoNode - 1);
  }

  // Requires that there is none of that name.
  GraphNode Insert(std::string_view name) {
    const auto node = static_cast<GraphNode>(names_.size());
    names_.emplace_back(name);
    if (names_.size() * 2 <= name_slots_.size()) {
      // As the name itself is held by now, a free slot is looked for by another way.
      Place(&name_slots_, Hash(name), node);
      return node;
    }
    name_slots_.assign(name_slots_.size() * 2, kNoNode);
    for (GraphNode i = 0; i < names_.size(); ++i) Place(&name_slots_, Hash(names_[i]), i);
    return node;
  }
  void Insert(GraphNode from, GraphNode to, double weight) {
    const auto index = static_cast<std::uint32_t>(edges_.size());
    edges_.push_back({from, to, weight});
    if (edges_.size() * 2 <= edge_slots_.size()) return Place(&edge_slots_, Hash(from, to), index);
    edge_slots_.assign(edge_slots_.size() * 2, kFree);
    for (std::uint32_t i = 0; i < edges_.size(); ++i) {
      Place(&edge_slots_, Hash(edges_[i].from, edges_[i].to), i);
    }
  }
  static void Place(std::vector<std::uint32_t>* slots, std::uint64_t hash, std::uint32_t index) {
    const std::size_t mask = slots->size() - 1;
    std::size_t slot = hash & mask;
    while ((*slots)[slot] != kFree) slot = (slot + 1) & mask;
    (*slots)[slot] = index;
  }

  void MoveLandmark(double at) {
    const double scale = std::exp2((landmark_ - at) / options_.half_life);
    double total = 0;
    for (const GraphEdge& edge : edges_) total += edge.weight;
    const double least =
        total / static_cast<double>(std::max<std::size_t>(1, edges_.size())) * 1e-6;
    Graph kept(options_);
    for (const GraphEdge& edge : edges_) {
      if (edge.weight < least || !(edge.weight * scale > 0)) continue;
      kept.Add(names_[edge.from], names_[edge.to], edge.weight * scale);
    }
    names_ = std::move(kept.names_);
    edges_ = std::move(kept.edges_);
    name_slots_ = std::move(kept.name_slots_);
    edge_slots_ = std::move(kept.edge_slots_);
    landmark_ = at;
  }

  GraphOptions options_;
  double landmark_ = 0;
  std::optional<double> latest_;
  std::uint64_t refused_ = 0;
  std::vector<std::string> names_;
  std::vector<GraphEdge> edges_;
  // Indices of names_ and edges_, hashed; powers of two, at most half full.
  std::vector<std::uint32_t> name_slots_;
  std::vector<std::uint32_t> edge_slots_;
};

}  // namespace rivulet
