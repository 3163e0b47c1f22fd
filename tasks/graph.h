// graph:from=PATH,to=PATH[,…]: who leads to whom, how often: each message is an edge.
//
//   weight=PATH       the number there instead of 1: above 0, at most 1e15
//   undirected        both directions
//   decay=1h          weights halve so often, counted from
//   time=PATH         seconds since 1970; without it, from when the message is run
//   max_nodes=1000000, max_edges=10000000   of a local graph: edges beyond are `refused`
//   top=10            edges and nodes that are shown (to 10,000)
//   every=10s,output=NAME                   emits the results, as tasks/statistic_task.h says
//   store=local       the task's own state: exactly once by the reader's checkpoint
//   store=shared      the reader's store (--store), with other readers: exactly once by message ids
//   prefix=graph:     of its keys there
//
// A node is a string or a number; the empty string is one, too. Messages that lack one, or a weight
// or time that was asked for, count as `skipped`; as `bad` those with a name longer than 1 KiB,
// with a weight that is none, with a time more than a minute ahead of the clock (it would make all
// older weights vanish), or with a name that makes a key of the store's own ("rivulet|…").
//
// In the store: a sorted set a node, at PREFIX + its name, with a score for each node that it leads
// to, as any client reads and writes it (ZINCRBY graph:a 1 b); rivulet-graph(1) does. In batches of
// 500 messages, one round trip for all; each message behind Once(), whose scope is the task's name
// and all arguments that say what a message does: readers that share the counting of one queue are
// told the same ones.
//
// Views: `svg`, a picture of the strongest 30 edges; `dot` and `graph`, graphviz and NetworkX's
// node-link JSON of the strongest 10,000, the latter with PageRank. Of a decaying graph weights are
// as of its last edge (local) or now (shared).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/graph.h"
#include "queuereader/task.h"
#include "store/store_batch.h"

namespace rivulet {

class GraphTask final : public Task {
 public:
  explicit GraphTask(TaskArgs& args);

  Outcome Run(const Message& message, Context& context) override;
  std::size_t batch_size() const override { return shared_ ? kBatch : 1; }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override;
  std::string Save() const override;
  Status Load(std::string_view saved) override;
  void Summarize(Summary& summary) const override;
  std::vector<std::string> views() const override { return {"svg", "dot", "graph"}; }
  std::optional<View> Show(std::string_view view) const override;

 private:
  static constexpr std::size_t kBatch = 500;

  struct Counts {
    std::uint64_t counted = 0;
    std::uint64_t skipped = 0;
    std::uint64_t bad = 0;
  };
  struct FoundEdge {
    std::string_view from;
    std::string_view to;
    double weight = 1;
    WallTime at{};
  };

  /// What the state depends on.
  std::string Arguments() const;
  /// Counts the message; nothing where it is no edge. Valid until the next one.
  std::optional<FoundEdge> Find(const Message& message, WallTime now, Counts* counts);
  /// Whether the node's key would be one of the store's own.
  bool IsReserved(std::string_view node);
  void AddToBatch(std::string_view id, const FoundEdge& edge);
  void AddArc(std::string_view from, std::string_view to, const FoundEdge& edge);
  /// Carries out the batch in hand.
  Status Commit(Store& store);
  bool PeriodIsOver(WallTime now);
  std::string Results(WallTime now) const;
  void SummarizeGraph(Summary& summary, const Graph& graph) const;
  /// The shared graph as it is now; where it is too large to be shown, or the store is away, why.
  Result<Graph> ReadShared(WallTime now) const;
  std::optional<View> ShowGraph(std::string_view view, const Graph& graph) const;

  const std::string from_;
  const std::string to_;
  const std::string weight_;  // empty: each is 1
  const std::string time_;    // empty: when it is run
  const bool undirected_;
  const Duration decay_;  // zero: none
  const std::size_t top_;
  const Duration every_;  // zero: nothing is emitted
  const std::string output_;
  const std::string name_;
  const bool shared_;
  const std::string prefix_;
  const std::string scope_;  // of message ids in the store
  Store* const store_;       // what is shown is read there
  GraphOptions options_;
  Graph graph_;
  Counts counts_;
  StoreBatch batch_{StoreBatch::Mode::kAtomic};
  bool all_have_ids_ = true;  // the messages of the batch in hand
  std::optional<WallTime> period_;
  WallTime last_{};  // when a message was last run
  // Texts of the message in hand.
  std::string from_number_;
  std::string to_number_;
  std::string key_;
};

}  // namespace rivulet
