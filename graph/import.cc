#include <fmt/format.h>

#include "base/json.h"
#include "graph/export.h"
#include "graph/names.h"

namespace rivulet {
namespace {

// Of each link and its two nodes; with the attributes that other programs add.
constexpr std::size_t kValuesPerEdge = 32;

/// A node's name: a string, or a number as JSON writes it. False where it is neither.
bool NameOf(const JsonValue* value, std::string* name) {
  name->clear();
  if (value == nullptr || !(value->IsString() || value->IsNumber())) return false;
  if (value->IsString()) {
    *name = NameOfJson(JsonText(*value));
  } else {
    AppendJson(name, *value);
  }
  return true;
}

Status AddLink(const JsonValue& link, std::size_t place, bool directed, Graph* graph) {
  std::string source;
  std::string target;
  if (!NameOf(FindMember(link, "source"), &source) ||
      !NameOf(FindMember(link, "target"), &target)) {
    return InvalidArgument(fmt::format(
        "link {} must have a \"source\" and a \"target\", each the id of a node", place));
  }
  const JsonValue* given = FindMember(link, "weight");
  const double weight = given == nullptr ? 1 : JsonNumber(given).value_or(0);
  if (!Graph::IsWeight(weight)) {
    return InvalidArgument(fmt::format("link {}: its weight must be a number above 0", place));
  }
  const bool fits = directed ? graph->AddEdge(source, target, weight)
                             : graph->AddUndirected(source, target, weight);
  return fits ? Status() : Status(StatusCode::kTooLarge, "");
}

}  // namespace

Result<Graph> ParseGraphJson(std::string_view text, std::size_t max_edges) {
  JsonDocument document;
  const JsonLimits limits{.require_object = true,
                          .max_values = kJsonMaxValues + kValuesPerEdge * max_edges};
  if (Status status = document.Parse(text, limits); !status.ok()) return status;
  const JsonValue& root = document.root();
  const JsonValue* links = FindMember(root, "links");
  if (links == nullptr) links = FindMember(root, "edges");
  if (links == nullptr || !links->IsArray()) {
    return InvalidArgument("a graph in node-link form must have an array \"links\"");
  }
  const JsonValue* directed = FindMember(root, "directed");
  const bool both = directed != nullptr && directed->IsBool() && !directed->GetBool();
  Graph graph(
      GraphOptions{.max_nodes = 2 * max_edges + 2, .max_edges = both ? 2 * max_edges : max_edges});
  for (rapidjson::SizeType i = 0; i < links->Size(); ++i) {
    Status status = AddLink((*links)[i], i, !both, &graph);
    if (status.code() == StatusCode::kTooLarge) {
      return Status(StatusCode::kTooLarge, fmt::format("has more than {} edges", max_edges));
    }
    if (!status.ok()) return status;
  }
  return graph;
}

}  // namespace rivulet
