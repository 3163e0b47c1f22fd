#include "tasks/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <utility>

#include "base/json.h"
#include "base/units.h"
#include "graph/export.h"
#include "graph/read.h"
#include "tasks/graph_picture.h"
#include "tasks/saved_state.h"
#include "tasks/statistic.h"
#include "tasks/store_commit.h"
#include "tasks/summary_json.h"

namespace rivulet {
namespace {

constexpr std::string_view kFormat = "graph 1";
constexpr std::size_t kMaxNameBytes = 1024;
constexpr double kMaxMessageWeight = 1e15;
constexpr std::size_t kPictureEdges = 30;
constexpr std::size_t kViewEdges = 10'000;
// So much of a shared graph is read while messages wait.
constexpr std::size_t kMaxShownEdges = 200'000;
constexpr Duration kPatience = std::chrono::seconds(1);

/// Whoever sends the names must not be able to choose such as collide.
std::uint64_t RandomSeed() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

Duration TakeDuration(TaskArgs& args, std::string_view key) {
  const std::string text = args.Text(key);
  if (text.empty()) return {};
  const auto taken = ParseDuration(text);
  if (taken.ok() && *taken >= std::chrono::milliseconds(1)) return *taken;
  args.Fail(fmt::format("{}={} must be a duration of at least 1ms, as {}=10s", key, text, key));
  return {};
}

bool TakeShared(TaskArgs& args) {
  const std::string text = args.Text("store", "local");
  if (text != "local" && text != "shared") {
    args.Fail("store=" + text + " must be local or shared");
  }
  return text == "shared";
}

double Seconds(WallTime at) { return std::chrono::duration<double>(at.time_since_epoch()).count(); }

GraphOptions OptionsOf(TaskArgs& args, bool shared, Duration decay) {
  if (shared && !(args.Text("max_nodes") + args.Text("max_edges")).empty()) {
    args.Fail("max_nodes= and max_edges= bound what the task keeps itself: not with store=shared");
  }
  GraphOptions options;
  options.max_nodes = args.Uint("max_nodes", options.max_nodes, 1, 1'000'000'000);
  options.max_edges = args.Uint("max_edges", options.max_edges, 1, 1'000'000'000);
  options.half_life = std::chrono::duration<double>(decay).count();
  options.seed = RandomSeed();
  return options;
}

}  // namespace

GraphTask::GraphTask(TaskArgs& args)
    : from_(args.RequiredText("from")),
      to_(args.RequiredText("to")),
      weight_(args.Text("weight")),
      time_(args.Text("time")),
      undirected_(args.Uint("undirected", 0, 0, 1) == 1),
      decay_(TakeDuration(args, "decay")),
      top_(static_cast<std::size_t>(args.Uint("top", 10, 1, kViewEdges))),
      every_(TakeDuration(args, "every")),
      output_(args.Output("output")),
      name_(args.Text("name", "graph")),
      shared_(TakeShared(args)),
      prefix_(args.Text("prefix", "graph:")),
      scope_(name_ + " " + Arguments()),
      store_(args.store()),
      options_(OptionsOf(args, shared_, decay_)),
      graph_(options_) {
  if (every_ > Duration::zero() && output_.empty()) args.Fail("every= needs output=NAME");
  if (every_ == Duration::zero() && !output_.empty()) {
    args.Fail("output=" + output_ + " needs every=DURATION, as every=10s");
  }
  if (!time_.empty() && decay_ == Duration::zero()) {
    args.Fail("time=" + time_ + " is what weights decay by: it needs decay=DURATION, as decay=1h");
  }
  if (prefix_.starts_with(StoreBatch::kOwnPrefix)) {
    args.Fail(fmt::format("prefix={} must not begin with '{}', where the store keeps its own",
                          prefix_, StoreBatch::kOwnPrefix));
  }
  if (!shared_ && prefix_ != "graph:") {
    args.Fail("prefix=" + prefix_ + " is of keys in a store: it needs store=shared");
  }
}

std::optional<GraphTask::FoundEdge> GraphTask::Find(const Message& message, WallTime now,
                                                    Counts* counts) {
  const auto from = TextOf(message, from_, &from_number_);
  const auto to = TextOf(message, to_, &to_number_);
  const auto weight = weight_.empty() ? std::optional<double>(1) : message.Number(weight_);
  FoundEdge edge;
  edge.at = now;
  bool complete = from && to && weight;
  bool ahead = false;
  if (!time_.empty()) {
    const auto seconds = SecondsOf(message, time_);
    complete = complete && seconds;
    ahead = seconds && *seconds > Seconds(now) + kMostSecondsAhead;
    if (seconds && !ahead) {
      edge.at =
          WallTime(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds)));
    }
  }
  if (!complete) {
    ++counts->skipped;
    return std::nullopt;
  }
  const bool reserved = shared_ && (IsReserved(*from) || (undirected_ && IsReserved(*to)));
  if (ahead || reserved || from->size() > kMaxNameBytes || to->size() > kMaxNameBytes ||
      !(*weight > 0) || *weight > kMaxMessageWeight) {
    ++counts->bad;
    return std::nullopt;
  }
  ++counts->counted;
  edge.from = *from;
  edge.to = *to;
  edge.weight = *weight;
  return edge;
}

bool GraphTask::IsReserved(std::string_view node) {
  // Hardly any prefix is the beginning of the store's.
  if (!StoreBatch::kOwnPrefix.starts_with(prefix_)) return false;
  return key_.assign(prefix_).append(node).starts_with(StoreBatch::kOwnPrefix);
}

Outcome GraphTask::Run(const Message& message, Context& context) {
  if (shared_) {
    const Message* const one = &message;
    Outcome outcome = Outcome::Done();
    RunBatch({&one, 1}, {&outcome, 1}, context);
    return outcome;
  }
  last_ = context.now();
  if (const auto edge = Find(message, last_, &counts_)) {
    const double at = Seconds(edge->at);
    if (undirected_) {
      graph_.AddUndirected(edge->from, edge->to, edge->weight, at);
    } else {
      graph_.AddEdge(edge->from, edge->to, edge->weight, at);
    }
  }
  if (PeriodIsOver(last_)) context.Emit(output_, Results(last_));
  return Outcome::Done();
}

void GraphTask::RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                         Context& context) {
  if (!shared_) return Task::RunBatch(messages, outcomes, context);
  batch_.Clear();
  all_have_ids_ = true;
  last_ = context.now();
  Counts counts = counts_;
  for (const Message* message : messages) {
    if (const auto edge = Find(*message, last_, &counts)) AddToBatch(message->id(), *edge);
  }
  const Status status = batch_.empty() ? Status() : Commit(context.store());
  if (status.code() == StatusCode::kInvalidArgument && messages.size() > 1) {
    // Nothing was done: one by one, those that can be done are.
    throw std::runtime_error(status.message());
  }
  if (!status.ok()) {
    std::fill(outcomes.begin(), outcomes.end(), Outcome::Failed(status.message()));
    return;
  }
  counts_ = counts;
  if (!messages.empty() && PeriodIsOver(last_)) {
    context.EmitFor(messages.size() - 1, output_, Results(last_));
  }
}

void GraphTask::AddToBatch(std::string_view id, const FoundEdge& edge) {
  all_have_ids_ = all_have_ids_ && !id.empty();
  batch_.Once(scope_, id);
  AddArc(edge.from, edge.to, edge);
  if (undirected_ && edge.from != edge.to) AddArc(edge.to, edge.from, edge);
}

void GraphTask::AddArc(std::string_view from, std::string_view to, const FoundEdge& edge) {
  key_.assign(prefix_).append(from);
  if (decay_ > Duration::zero()) {
    batch_.SortedAddDecayed(key_, to, edge.weight, edge.at, decay_);
  } else {
    batch_.SortedAdd(key_, to, edge.weight);
  }
}

Status GraphTask::Commit(Store& store) {
  return CommitBatch(&store, batch_, all_have_ids_).status();
}

bool GraphTask::PeriodIsOver(WallTime now) {
  if (every_ == Duration::zero()) return false;
  // A clock that is set back begins a period, too.
  const bool begun = period_ && now >= *period_;
  if (begun && now - *period_ < every_) return false;
  period_ = now;
  return begun;
}

std::string GraphTask::Results(WallTime now) const {
  SummaryJsonWriter results;
  Summarize(results);
  if (shared_) {
    auto read = ReadShared(now);
    if (read.ok()) {
      SummarizeGraph(results, *read);
    } else {
      results.Text("trouble", read.status().message());
    }
  }
  std::string json = "{\"task\":";
  AppendJsonString(&json, name_);
  return json + fmt::format(",\"time\":{:.3f},\"results\":{}}}", Seconds(now), results.Finish());
}

std::string GraphTask::Arguments() const {
  std::string arguments = "from=" + from_ + ",to=" + to_;
  if (!weight_.empty()) arguments += ",weight=" + weight_;
  if (undirected_) arguments += ",undirected=1";
  if (decay_ > Duration::zero()) arguments += ",decay=" + FormatDuration(decay_);
  if (!time_.empty()) arguments += ",time=" + time_;
  if (shared_) arguments += ",store=shared,prefix=" + prefix_;
  return arguments;
}

std::string GraphTask::Save() const {
  std::string bytes = BeginState(kFormat, Arguments());
  for (const std::uint64_t count : {counts_.counted, counts_.skipped, counts_.bad}) {
    PutUint64(&bytes, count);
  }
  return shared_ ? bytes : bytes + graph_.Save();
}

Status GraphTask::Load(std::string_view saved) {
  const auto state = OpenState(saved, kFormat, Arguments());
  if (!state.ok()) return state.status();
  ByteReader bytes(*state);
  Counts counts;
  for (std::uint64_t* count : {&counts.counted, &counts.skipped, &counts.bad}) {
    *count = bytes.Uint64();
  }
  if (!bytes.ok() || (shared_ && !bytes.Finished())) return DamagedState(kFormat);
  if (!shared_) {
    auto graph = Graph::Load(state->substr(24), options_);
    if (!graph) return DamagedState(kFormat);
    graph_ = std::move(*graph);
  }
  counts_ = counts;
  return {};
}

void GraphTask::Summarize(Summary& summary) const {
  summary.Count("count", counts_.counted);
  summary.Count("skipped", counts_.skipped);
  summary.Count("bad", counts_.bad);
  if (shared_) {
    summary.Text("graph", "in the store, at " + prefix_ + "*");
    return;
  }
  summary.Count("refused", graph_.refused());
  SummarizeGraph(summary, graph_);
}

void GraphTask::SummarizeGraph(Summary& summary, const Graph& graph) const {
  summary.Count("nodes", graph.node_count());
  summary.Count("edges", graph.edge_count());
  const double scale = graph.scale(graph.latest());
  summary.Table("top_edges", {"from", "to", "weight"});
  for (const GraphEdge& edge : graph.TopEdges(top_)) {
    summary.Row({graph.name(edge.from), graph.name(edge.to), edge.weight * scale});
  }
  summary.Table("top_nodes", {"node", "weight_in"});
  for (const auto& [node, weight] : graph.TopNodes(top_, Graph::Direction::kIn)) {
    summary.Row({graph.name(node), weight * scale});
  }
}

Result<Graph> GraphTask::ReadShared(WallTime now) const {
  if (store_ == nullptr) return InvalidArgument("there is no store to read the graph from");
  // Keys() waits as long as the store does: it is asked only where the store is there.
  StoreBatch probe;
  probe.set_patience(kPatience);
  probe.SortedSize(prefix_);
  const auto there = store_->Run(probe);
  if (!there.ok()) return there.status();
  auto read = ReadGraphFrom(store_, {.prefix = prefix_, .max_edges = kMaxShownEdges, .at = now});
  if (!read.ok()) return read.status();
  return std::move(read->graph);
}

std::optional<View> GraphTask::Show(std::string_view view) const {
  const auto known = views();
  if (std::find(known.begin(), known.end(), view) == known.end()) return std::nullopt;
  if (!shared_) return ShowGraph(view, graph_);
  const auto read = ReadShared(last_);
  if (!read.ok()) throw std::runtime_error(read.status().message() + "; see rivulet-graph(1)");
  return ShowGraph(view, *read);
}

std::optional<View> GraphTask::ShowGraph(std::string_view view, const Graph& graph) const {
  if (view == "svg") {
    const Graph shown = undirected_ ? graph.Part(UndirectedEdges(graph)) : graph;
    const Graph strongest = shown.Part(shown.TopEdges(kPictureEdges));
    return View{"image/svg+xml",
                GraphSvg(fmt::format("{} to {}: the strongest {} of {} edges", from_, to_,
                                     strongest.edge_count(), shown.edge_count()),
                         strongest, !undirected_)};
  }
  const ExportOptions options{
      .undirected = undirected_, .max_edges = kViewEdges, .pagerank = view == "graph"};
  const ExportedGraph exported(graph, options);
  if (view == "dot") return View{"text/vnd.graphviz", exported.Dot()};
  return View{"application/json", exported.Json()};
}

}  // namespace rivulet
