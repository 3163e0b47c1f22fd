// Sorted sets. A sorted set is a set of members at one key, each with a score, and the store keeps
// them in the order of their scores: the first three are one command, however many there are. ZADD
// A 5 B sets the score of B in the set A to 5; ZINCRBY A 1 B adds to it; ZREVRANGE A 0 2 WITHSCORES
// reads the three largest.
//
// So a directed graph with weights is one sorted set for each node: its key is the node, its
// members are where the edges lead to, and the scores are the weights. This one counts how often
// one page leads to another. The keys have a beginning of their own, "graph:", so that all nodes
// can be found.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "examples/store/example.h"

using example::Must;
using rivulet::StoreBatch;
using rivulet::StoreItem;
using rivulet::StoreKind;

namespace {

constexpr const char* kPrefix = "graph:";
constexpr std::size_t kMostNodes = 1000;

struct Edge {
  const char* from;
  const char* to;
  double weight;
};

std::vector<std::string> Nodes(rivulet::Store& store) {
  auto keys = Must(store.Keys(kPrefix, StoreKind::kSorted, kMostNodes));
  std::sort(keys.begin(), keys.end());
  return keys;
}

void PrintGraph(rivulet::Store& store) {
  for (const std::string& key : Nodes(store)) {
    std::printf("%s ->", key.substr(std::string(kPrefix).size()).c_str());
    for (const StoreItem& neighbour : Must(store.SortedTop(key, 10))) {
      std::printf("  %s %g", neighbour.name.c_str(), neighbour.number);
    }
    std::printf("\n");
  }
}

/// Where most go on to, from there on; stops where it has been.
void PrintHeaviestPath(rivulet::Store& store, std::string node) {
  std::vector<std::string> path = {node};
  while (true) {
    const auto next = Must(store.SortedTop(kPrefix + node, 1));
    if (next.empty()) break;
    node = next.front().name;
    if (std::find(path.begin(), path.end(), node) != path.end()) break;
    path.push_back(node);
  }
  for (std::size_t i = 0; i < path.size(); ++i) {
    std::printf("%s%s", i == 0 ? "" : " -> ", path[i].c_str());
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const auto store = example::StoreOf(argc, argv, "04_graph", "a directed graph in sorted sets");
  for (const std::string& key : Nodes(*store)) Must(store->Delete(key));

  // The edges as they are known, all in one round trip: ZADD graph:A 5 B and so on.
  const Edge edges[] = {{"A", "B", 5}, {"A", "C", 3}, {"A", "D", 1}, {"B", "C", 2},
                        {"C", "A", 1}, {"C", "D", 4}, {"D", "E", 1}};
  StoreBatch batch;
  for (const Edge& edge : edges) {
    batch.SortedSet(std::string(kPrefix) + edge.from, edge.to, edge.weight);
  }
  for (const auto& reply : Must(store->Run(batch))) Must(reply.status);
  PrintGraph(*store);

  // Three more went from A to C: ZINCRBY graph:A 3 C.
  const double weight = Must(store->SortedAdd(std::string(kPrefix) + "A", "C", 3));
  std::printf("A to C: %g\n", weight);
  PrintGraph(*store);

  std::printf("from A, where most go: ");
  PrintHeaviestPath(*store, "A");
  return 0;
}
