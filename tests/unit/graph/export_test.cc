#include "graph/export.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/json.h"
#include "graph/names.h"

using rivulet::ExportedGraph;
using rivulet::Graph;
using rivulet::GraphNode;
using rivulet::JsonName;
using rivulet::NameOfJson;
using rivulet::ParseGraphJson;
using rivulet::StatusCode;

namespace {

Graph Small() {
  Graph graph;
  graph.AddEdge("a", "b", 4);
  graph.AddEdge("b", "a", 1);
  graph.AddEdge("a", "say \"hi\" \\ & <x>", 0.5);
  return graph;
}

bool Holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string WhyNot(std::string_view json) { return ParseGraphJson(json, 3).status().message(); }

}  // namespace

TEST_CASE("export: DOT, with what graphviz would take otherwise escaped") {
  CHECK(Holds(ExportedGraph(Small(), {}).Dot(), R"(  n0 -> n1 [label="4", penwidth=6.00])"));
  const std::string dot = ExportedGraph(Small(), {}).Dot();
  CHECK(dot.starts_with("digraph {"));
  CHECK(Holds(dot, R"(n2 [label="say \"hi\" \\ &amp; <x>"])"));
  const std::string both = ExportedGraph(Small(), {.undirected = true}).Dot();
  CHECK(both.starts_with("graph {"));
  CHECK(Holds(both, R"(n0 -- n1 [label="4")"));
  CHECK_FALSE(Holds(both, "n1 -- n0"));
}

TEST_CASE("export: GraphML, with what XML does not know replaced") {
  Graph graph = Small();
  graph.AddEdge("a", std::string("\x01\xff\n", 3));
  const std::string xml = ExportedGraph(graph, {.components = true}).GraphMl();
  CHECK(Holds(xml, R"(<edge source="n0" target="n1"><data key="weight">4</data></edge>)"));
  CHECK(
      Holds(xml, R"(<node id="n2"><data key="name">say &quot;hi&quot; \ &amp; &lt;x&gt;</data>)"));
  CHECK(Holds(xml, "<data key=\"name\">\uFFFD\uFFFD&#10;</data>"));
  CHECK(Holds(xml, R"(<data key="component">0</data><data key="strong_component">0</data>)"));
  CHECK(Holds(xml, R"(edgedefault="directed")"));
}

TEST_CASE("export: names that look alike are nodes of their own") {
  Graph graph;
  const std::vector<std::string> names = {"\x01", "\x02", "\xff", "\xfe", "\uFFFD",
                                          "a\tb", "a\nb", "a\rb", "a b"};
  for (const std::string& name : names) graph.AddEdge("hub", name);
  graph.AddEdge("hub", std::string(20'000, 'L'));
  const ExportedGraph exported(graph, {});
  for (GraphNode node = 0; node < graph.node_count(); ++node) {
    CHECK(Holds(exported.GraphMl(), "<node id=\"n" + std::to_string(node) + "\">"));
    CHECK(Holds(exported.Dot(), "  n" + std::to_string(node) + " [label="));
  }
  CHECK_FALSE(Holds(exported.Dot(), "a\nb"));  // line breaks are shown as spaces
  CHECK(Holds(exported.Dot(), "[label=\"" + std::string(40, 'L') + "\u2026\"]"));
  CHECK_FALSE(Holds(exported.Dot(), std::string(41, 'L')));
  CHECK(Holds(exported.GraphMl(), std::string(20'000, 'L')));
  const auto again = ParseGraphJson(exported.Json(), 100);
  REQUIRE(again.ok());
  CHECK(again->node_count() == graph.node_count());
  for (const std::string& name : names) CHECK(again->weight(0, again->Find(name)) == 1);
}

TEST_CASE(
    "export: JSON names bytes that are no UTF-8 by a character of the private use area each") {
  CHECK(JsonName("caf\u00e9 \U0001F600") == "caf\u00e9 \U0001F600");
  CHECK(JsonName("a\xff") == "a\U0010FEFF");
  CHECK(JsonName("\xe2\x82") == "\U0010FEE2\U0010FE82");  // a euro sign that is cut
  // A name that has such a character is not taken for the bytes that it would mean.
  CHECK(JsonName("a\U0010FEFF") == "a\U0010FEF4\U0010FE8F\U0010FEBB\U0010FEBF");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    all += static_cast<char>(byte);
    CHECK(NameOfJson(JsonName(all)) == all);
    CHECK(NameOfJson(JsonName(JsonName(all))) == JsonName(all));
    CHECK(rivulet::IsValidUtf8(JsonName(all)));
  }
}

TEST_CASE("export: the strongest edges only, ranks are of the whole graph") {
  Graph graph;
  graph.AddEdge("a", "b", 3);
  graph.AddEdge("c", "b", 2);
  graph.AddEdge("d", "b", 1);
  const ExportedGraph exported(graph, {.max_edges = 1, .pagerank = true});
  CHECK(exported.edge_count() == 1);
  CHECK(exported.node_count() == 2);
  // Of a star of 3 rays around a dangling centre, by hand: ray r, centre c = r (1 + 3 * 0.85),
  // 3 r + c = 1.
  const double ray = 1 / (4 + 3 * 0.85);
  const std::string json = exported.Json();
  const std::size_t at = json.find("\"pagerank\":") + 11;
  CHECK(std::abs(std::stod(json.substr(at)) - ray) < 1e-9);
}

TEST_CASE("export: JSON is read again as it was written") {
  const auto again = ParseGraphJson(ExportedGraph(Small(), {}).Json(), 10);
  REQUIRE(again.ok());
  CHECK(again->edge_count() == 3);
  CHECK(again->weight(again->Find("a"), again->Find("say \"hi\" \\ & <x>")) == 0.5);
  const auto both = ParseGraphJson(ExportedGraph(Small(), {.undirected = true}).Json(), 10);
  REQUIRE(both.ok());
  CHECK(both->weight(both->Find("b"), both->Find("a")) == 4);
  const auto nothing = ParseGraphJson(ExportedGraph(Graph(), {}).Json(), 10);
  REQUIRE(nothing.ok());
  CHECK(nothing->edge_count() == 0);
}

TEST_CASE("import: the edges are limited, and not the values of their JSON") {
  std::string zeros;
  for (int i = 0; i < 20; ++i) zeros += ",0";
  std::string json = R"({"nodes":[{"id":0}],"links":[{"source":0,"target":0})";
  for (int i = 1; i < 45'000; ++i) {
    json += R"(,{"source":0,"target":)" + std::to_string(i) + R"(,"weight":1,"times":[0)";
    json += zeros + "]}";
  }
  json += "]}";  // of 1.1 million values
  const auto graph = ParseGraphJson(json, 45'000);
  REQUIRE_MESSAGE(graph.ok(), graph.status().message());
  CHECK(graph->edge_count() == 45'000);
  CHECK(ParseGraphJson(json, 44'999).status().message() == "has more than 44999 edges");
}

TEST_CASE("import: what is no graph is refused, with what would be right") {
  CHECK(Holds(WhyNot("[]"), "object"));
  CHECK(Holds(WhyNot("{}"), "must have an array \"links\""));
  CHECK(Holds(WhyNot(R"({"links":[{"source":"a"}]})"), "link 0 must have"));
  CHECK(Holds(WhyNot(R"({"links":[{"source":"a","target":"b","weight":0}]})"), "above 0"));
  CHECK(Holds(WhyNot(R"({"links":[{"source":"a","target":"b","weight":"1"}]})"), "above 0"));
  const auto numbers = ParseGraphJson(R"({"edges":[{"source":1,"target":2}]})", 3);
  REQUIRE(numbers.ok());
  CHECK(numbers->weight(numbers->Find("1"), numbers->Find("2")) == 1);
  const std::string pair = R"({"directed":false,"links":[{"source":1,"target":2}]})";
  REQUIRE(ParseGraphJson(pair, 1).ok());
  CHECK(ParseGraphJson(pair, 1)->edge_count() == 2);
  const auto many =
      ParseGraphJson(R"({"edges":[{"source":1,"target":2},{"source":2,"target":2}]})", 1);
  CHECK(many.status().code() == StatusCode::kTooLarge);
}
