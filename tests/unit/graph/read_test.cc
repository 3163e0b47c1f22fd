#include "graph/read.h"

#include <doctest/doctest.h>

#include <string>

#include "graph/export.h"
#include "tests/unit/graph/model_store.h"

using rivulet::Graph;
using rivulet::ReadGraphFrom;
using rivulet::StatusCode;
using rivulet::StoreBatch;
using rivulet::WallTime;
using rivulet::test::GraphModelStore;

namespace {

WallTime At(int seconds) { return WallTime(std::chrono::seconds(seconds)); }

double WeightOf(const Graph& graph, std::string_view from, std::string_view to) {
  return graph.weight(graph.Find(from), graph.Find(to));
}

}  // namespace

TEST_CASE("reading: the sorted sets under the prefix are the graph, as a client wrote them") {
  GraphModelStore store;
  // The tutorial's: ZINCRBY A 5 B, and so on.
  store.sorted = {
      {"graph:A", {{"B", 5}, {"C", 1}}}, {"graph:B", {{"A", 2.5}}}, {"other", {{"x", 9}}}};
  const auto read = ReadGraphFrom(&store, {.prefix = "graph:"});
  REQUIRE(read.ok());
  CHECK(read->graph.node_count() == 3);
  CHECK(read->graph.edge_count() == 3);
  CHECK(WeightOf(read->graph, "A", "B") == 5);
  CHECK(WeightOf(read->graph, "B", "A") == 2.5);
}

TEST_CASE("reading: an empty prefix takes all but the store's own keys") {
  GraphModelStore store;
  store.sorted = {{"A", {{"B", 5}}}, {"rivulet|once|x", {{"y", 1}}}};
  const auto read = ReadGraphFrom(&store, {});
  REQUIRE(read.ok());
  CHECK(read->graph.edge_count() == 1);
}

TEST_CASE("reading: scores that are no weights are left out and counted") {
  GraphModelStore store;
  store.sorted = {{"A", {{"B", 5}, {"C", 0}, {"D", -1}, {"E", 1e308}}}};
  const auto read = ReadGraphFrom(&store, {});
  REQUIRE(read.ok());
  CHECK(read->graph.edge_count() == 1);
  CHECK(read->left_out == 3);
}

TEST_CASE("reading: weights that decay are as of the time asked for") {
  GraphModelStore store;
  store.sorted = {{"A", {{"B", 8}}}, {"C", {{"D", 3}}}};
  store.decayed = {{"A", "1000 60"}};
  const auto read = ReadGraphFrom(&store, {.at = At(1180)});
  REQUIRE(read.ok());
  CHECK(WeightOf(read->graph, "A", "B") == 1);
  CHECK(WeightOf(read->graph, "C", "D") == 3);
  const auto before = ReadGraphFrom(&store, {.at = At(5)});
  REQUIRE(before.ok());
  CHECK(WeightOf(before->graph, "A", "B") == 8);
}

TEST_CASE("reading: a graph beyond max_edges is refused before its edges are read") {
  GraphModelStore store;
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < 10; ++j) store.sorted[std::to_string(i)][std::to_string(j)] = 1;
  }
  CHECK(ReadGraphFrom(&store, {.max_edges = 100}).ok());
  for (const std::size_t most : {99UL, 9UL}) {
    const auto read = ReadGraphFrom(&store, {.max_edges = most});
    CHECK(read.status().code() == StatusCode::kTooLarge);
    CHECK(read.status().message().find("more than " + std::to_string(most) + " edges") !=
          std::string::npos);
  }
}

TEST_CASE("reading: a store that fails says so") {
  GraphModelStore store;
  store.sorted = {{"A", {{"B", 5}}}};
  store.failures = {{}, {StatusCode::kUnavailable, "gone"}};
  CHECK(ReadGraphFrom(&store, {}).status().message() == "gone");
}
