#include "graph/read.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

namespace rivulet {
namespace {

using Kind = StoreReply::Kind;

constexpr std::size_t kNodesAtOnce = 500;
// Of answers in memory at one time, unless one node has more.
constexpr std::int64_t kEdgesAtOnce = 100'000;

Status TooManyEdges(const ReadGraphOptions& options) {
  return {StatusCode::kTooLarge, fmt::format("the graph at {}* has more than {} edges",
                                             options.prefix, options.max_edges)};
}

/// What a weight of 1 that is stored is now; by what kDecayedKey says of the set.
double ScaleOf(const StoreReply& reply, WallTime at) {
  if (reply.kind != Kind::kText) return 1;
  double landmark = 0;
  double half_life = 0;
  const char* end = reply.text.data() + reply.text.size();
  const auto first = std::from_chars(reply.text.data(), end, landmark);
  if (first.ec != std::errc() || first.ptr == end) return 1;
  const auto second = std::from_chars(first.ptr + 1, end, half_life);
  if (second.ec != std::errc() || !(half_life > 0)) return 1;
  const double now = std::chrono::duration<double>(at.time_since_epoch()).count();
  return StoreScoreNow(1, landmark, std::max(now, landmark), half_life);
}

class Reading {
 public:
  Reading(Store* store, const ReadGraphOptions& options)
      : store_(store),
        options_(options),
        read_{Graph(GraphOptions{.max_nodes = 2 * options.max_edges + 2,
                                 .max_edges = options.max_edges}),
              0} {}

  Result<ReadGraph> Run() {
    auto keys = store_->Keys(options_.prefix, StoreKind::kSorted, options_.max_edges);
    if (keys.status().code() == StatusCode::kTooLarge) return TooManyEdges(options_);
    if (!keys.ok()) return keys.status();
    std::erase_if(*keys,
                  [](const std::string& key) { return key.starts_with(StoreBatch::kOwnPrefix); });
    // So that a graph is written the same way each time.
    std::sort(keys->begin(), keys->end());
    std::span<const std::string> rest(*keys);
    while (!rest.empty()) {
      const auto nodes = rest.first(std::min(rest.size(), kNodesAtOnce));
      rest = rest.subspan(nodes.size());
      if (Status status = ReadNodes(nodes); !status.ok()) return status;
    }
    return std::move(read_);
  }

 private:
  Result<std::vector<StoreReply>> Ask(const StoreBatch& batch) {
    auto replies = store_->Run(batch);
    if (!replies.ok()) return replies.status();
    for (const StoreReply& reply : *replies) {
      if (reply.kind == Kind::kFailed) return reply.status;
    }
    return replies;
  }

  Status ReadNodes(std::span<const std::string> keys) {
    StoreBatch sizes;
    for (const std::string& key : keys) sizes.SortedSize(key);
    const auto answered = Ask(sizes);
    if (!answered.ok()) return answered.status();
    std::size_t begin = 0;
    std::int64_t edges = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::int64_t size = (*answered)[i].whole;
      all_ += static_cast<std::uint64_t>(size);
      if (all_ > options_.max_edges) return TooManyEdges(options_);
      if (edges + size > kEdgesAtOnce && i > begin) {
        if (Status status = ReadEdges(keys.subspan(begin, i - begin)); !status.ok()) return status;
        begin = i;
        edges = 0;
      }
      edges += size;
    }
    return ReadEdges(keys.subspan(begin));
  }

  Status ReadEdges(std::span<const std::string> keys) {
    StoreBatch batch;
    for (const std::string& key : keys) {
      batch.SortedTop(key, -1);
      batch.HashGet(StoreBatch::kDecayedKey, key);
    }
    const auto answered = Ask(batch);
    if (!answered.ok()) return answered.status();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::string_view name = std::string_view(keys[i]).substr(options_.prefix.size());
      const double scale = ScaleOf((*answered)[2 * i + 1], options_.at);
      for (const StoreItem& item : (*answered)[2 * i].items) {
        const double weight = item.number * scale;
        if (!Graph::IsWeight(weight)) {
          ++read_.left_out;
        } else if (!read_.graph.AddEdge(name, item.name, weight)) {
          return TooManyEdges(options_);  // it grows while it is read
        }
      }
    }
    return {};
  }

  Store* store_;
  const ReadGraphOptions& options_;
  ReadGraph read_;
  std::uint64_t all_ = 0;
};

}  // namespace

Result<ReadGraph> ReadGraphFrom(Store* store, const ReadGraphOptions& options) {
  return Reading(store, options).Run();
}

}  // namespace rivulet
