#include "graph/config.h"

#include <fmt/format.h>

#include <string_view>

#include "base/options.h"
#include "base/units.h"

namespace rivulet {
namespace {

constexpr std::string_view kPrefix = "graph:";  // where none is given

constexpr char kEpilog[] = R"(Commands:
  top [N]         the N (10) strongest edges; --by=in, out or pagerank: nodes
  neighbors NODE  where its edges lead to, and where they come from
  path FROM TO    the path of the fewest edges; --by=likelihood: the one that
                  somebody takes most likely who follows edges by their weights
  export          the graph for another program: --format=dot, graphml, json
                  (NetworkX's node_link_graph) or svg (drawn by graphviz)

The graph is in a store, where readers have put it by --task=graph:…,store=shared,
one sorted set a node: ZINCRBY graph:FROM 1 TO is an edge, too. It is only read.
Or it is in a file of node-link JSON, as export and the view ?view=graph of the
task write it. It is read whole, into memory, some 100 bytes an edge.

Examples:
  rivulet-graph --store=redis://localhost top 20
  rivulet-graph --store=file:/var/lib/clicks neighbors direct
  rivulet-graph --store=redis://localhost --by=likelihood path direct http://nasa.gov/
  rivulet-graph --store=redis://localhost --format=svg --limit=50 --output=clicks.svg export
  rivulet-graph --store=redis://localhost --format=json --pagerank export >clicks.json
  curl -s 'localhost:8080/tasks/clicks?view=graph' | rivulet-graph --file=- top
)";

void Declare(Options* declared, GraphToolOptions* o) {
  declared->Argument("COMMAND", &o->command, "top, neighbors, path or export")
      .OneOf({"top", "neighbors", "path", "export"});
  declared->Arguments("WORD", &o->words, "of the command");
  declared->Section("The graph");
  declared
      ->Text("store", &o->store,
             "where it is: redis://[USER@]HOST[:PORT][/DB], redis+unix:///SOCKET or file:DIR")
      .Metavar("URL");
  declared
      ->Text("store-password-file", &o->store_password_file,
             "a file whose first line is the password for --store=redis://…")
      .Metavar("FILE");
  declared
      ->Text("prefix", &o->prefix, "what the keys of its nodes begin with; empty: all sorted sets")
      .Metavar("TEXT");
  declared->Text("file", &o->file, "node-link JSON instead of a store; -: standard input")
      .Metavar("FILE");
  declared->Real("at", &o->at, "weights that decay are shown as of then, in seconds since 1970")
      .Range(0, 9e9)
      .Metavar("SECONDS")
      .DefaultText("now");
  declared->Uint("max-edges", &o->max_edges, "a graph of more is refused")
      .Range(1, 1e9)
      .Metavar("N");
  declared->Section("What of it");
  declared
      ->Text("by", &o->by,
             "top: edges, or nodes by the weight of their edges in or out, or by pagerank; path: "
             "hops or likelihood")
      .OneOf({"edges", "in", "out", "pagerank", "hops", "likelihood"})
      .DefaultText("edges, hops");
  declared->Uint("limit", &o->limit, "neighbors, export: only the N strongest edges")
      .Range(1, 1e9)
      .Metavar("N")
      .DefaultText("all; of svg 200");
  declared->Flag(
      "undirected", &o->undirected,
      "top, path, export: both directions are one edge, with the larger of their weights: "
      "for a graph that was written so");
  declared->Flag("pagerank", &o->pagerank, "export: the attribute pagerank of nodes");
  declared->Flag("components", &o->components,
                 "export: the attributes component and strong_component, 0 for the largest");
  declared->Section("Output");
  declared->Text("format", &o->format, "of export")
      .OneOf({"dot", "graphml", "json", "svg"})
      .DefaultText("dot");
  declared
      ->Text("layout", &o->layout,
             "the program of graphviz that draws the SVG; auto: dot to 100 edges, then sfdp")
      .OneOf({"auto", "dot", "neato", "fdp", "sfdp", "circo", "twopi"})
      .DefaultText("auto");
  declared->Flag("json", &o->json, "top, neighbors, path: one line of JSON");
  declared->Text("output", &o->output, "a file").Metavar("FILE").DefaultText("standard output");
  declared->Epilog(kEpilog);
}

/// Why the words do not fit the command; empty where they do.
std::string TakeWords(GraphToolOptions* o) {
  const std::size_t given = o->words.size();
  if (o->command == "top") {
    if (given > 1) return fmt::format("top {}: it takes one word, N", fmt::join(o->words, " "));
    if (given == 0) return {};
    const auto top = ParseUint(o->words[0]);
    if (!top.ok() || *top == 0) {
      return fmt::format("top {}: N must be a whole number from 1", o->words[0]);
    }
    o->top = *top;
    return {};
  }
  if (o->command == "export" && given > 0) {
    return fmt::format("export {}: it takes no words; --output=FILE says where to", o->words[0]);
  }
  if (o->command == "neighbors" && given != 1) {
    return fmt::format("neighbors {}: it takes one word, NODE", fmt::join(o->words, " "));
  }
  if (o->command == "path" && given != 2) {
    return fmt::format("path {}: it takes two words, FROM and TO", fmt::join(o->words, " "));
  }
  return {};
}

std::string CheckBy(const GraphToolOptions& o) {
  if (o.by.empty()) return {};
  const bool of_path = o.by == "hops" || o.by == "likelihood";
  if (o.command == "top" && of_path) {
    return fmt::format("--by={}: top must have edges, in, out or pagerank", o.by);
  }
  if (o.command == "path" && !of_path) {
    return fmt::format("--by={}: path must have hops or likelihood", o.by);
  }
  if (o.command != "top" && o.command != "path") {
    return fmt::format("--by={} is of top and path", o.by);
  }
  return {};
}

/// Why an option has nothing to do with the command, or the file; empty where all have.
std::string CheckUse(const GraphToolOptions& o) {
  const bool exports = o.command == "export";
  const auto of_export = [&](std::string_view option) {
    return fmt::format("{} is of export, and not of {}", option, o.command);
  };
  if (!exports) {
    if (!o.format.empty()) return of_export("--format=" + o.format);
    if (!o.layout.empty()) return of_export("--layout=" + o.layout);
    if (o.pagerank) return of_export("--pagerank") + (o.command == "top" ? ": --by=pagerank" : "");
    if (o.components) return of_export("--components");
  }
  if (exports && o.json)
    return "--json is of top, neighbors and path; of export it is --format=json";
  if (!o.layout.empty() && o.format != "svg") {
    return fmt::format("--layout={} needs --format=svg", o.layout);
  }
  if (o.limit > 0 && o.command == "top") {
    return fmt::format("--limit={}: of top it is the word N: top {}", o.limit, o.limit);
  }
  if (o.limit > 0 && o.command == "path") {
    return fmt::format("--limit={} is of neighbors and export", o.limit);
  }
  if (o.undirected && o.command == "neighbors") {
    return "--undirected is of top, path and export; neighbors shows each direction";
  }
  if (o.file.empty()) return {};
  if (o.at >= 0) return "--at needs --store: weights of a file do not decay";
  if (o.prefix != kPrefix) return fmt::format("--prefix={} needs --store", o.prefix);
  if (!o.store_password_file.empty()) {
    return fmt::format("--store-password-file={} needs --store", o.store_password_file);
  }
  return {};
}

}  // namespace

std::optional<int> ParseGraphTool(int argc, const char* const* argv, GraphToolOptions* options) {
  Options declared("rivulet-graph", "looks at graphs that readers have put into a store");
  Declare(&declared, options);
  if (auto code = declared.Parse(argc, argv)) return code;
  if (options->store.empty() == options->file.empty()) {
    return declared.Fail(options->store.empty()
                             ? std::string("--store=URL or --file=FILE must say where the graph is")
                             : fmt::format("--store={} and --file={}: it must be one of them",
                                           options->store, options->file));
  }
  for (const std::string& why : {TakeWords(options), CheckBy(*options), CheckUse(*options)}) {
    if (!why.empty()) return declared.Fail(why);
  }
  return std::nullopt;
}

}  // namespace rivulet
