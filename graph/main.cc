// rivulet-graph: looks at graphs that readers have put into a store. See rivulet-graph(1).
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "graph/config.h"
#include "graph/export.h"
#include "graph/graphviz.h"
#include "graph/read.h"
#include "graph/report.h"
#include "store/open_store.h"

namespace rivulet {
namespace {

constexpr char kName[] = "rivulet-graph";
constexpr Duration kPatience = std::chrono::seconds(5);
// What graphviz draws in some seconds, and people can look at.
constexpr std::uint64_t kSvgEdges = 200;
constexpr std::size_t kDotEdges = 100;

void Say(std::string_view message) {
  fmt::print(stderr, "{}: {}\n", kName, EscapeControl(message));
}

Result<std::string> ReadWhole(const std::string& path) {
  std::FILE* const file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return IoError("--file=" + path, errno);
  std::string text;
  char bytes[65536];
  while (const std::size_t got = std::fread(bytes, 1, sizeof bytes, file)) text.append(bytes, got);
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  if (file != stdin) std::fclose(file);
  if (failed) return IoError("--file=" + path, error);
  return text;
}

Result<Graph> GraphOfFile(const GraphToolOptions& options) {
  const auto text = ReadWhole(options.file);
  if (!text.ok()) return text.status();
  auto graph = ParseGraphJson(*text, static_cast<std::size_t>(options.max_edges));
  if (graph.ok()) return graph;
  return Status(graph.status().code(),
                fmt::format("--file={}: {}", options.file, graph.status().message()));
}

/// `exit_status`: 2 where the URL is none.
Result<Graph> GraphOfStore(const GraphToolOptions& options, int* exit_status) {
  const SystemClock clock;
  auto store = OpenStore(options.store, {.clock = &clock,
                                         .patience = kPatience,
                                         .read_only = true,
                                         .password_file = options.store_password_file});
  if (!store.ok()) {
    if (store.status().code() == StatusCode::kInvalidArgument) *exit_status = 2;
    return store.status();
  }
  const WallTime at = options.at < 0 ? clock.WallNow()
                                     : WallTime(std::chrono::duration_cast<Duration>(
                                           std::chrono::duration<double>(options.at)));
  auto read = ReadGraphFrom(store->get(), {.prefix = options.prefix,
                                           .max_edges = static_cast<std::size_t>(options.max_edges),
                                           .at = at});
  if (!read.ok()) {
    const bool large = read.status().code() == StatusCode::kTooLarge;
    return Status(read.status().code(),
                  read.status().message() + (large ? "; --max-edges=N allows for more" : ""));
  }
  if (read->left_out > 0) {
    Say(fmt::format("{} edges whose weight is not above 0 are left out", read->left_out));
  }
  return std::move(read->graph);
}

Result<std::string> Exported(const Graph& graph, const GraphToolOptions& options) {
  const bool svg = options.format == "svg";
  std::uint64_t most = options.limit > 0 ? options.limit : graph.edge_count();
  if (svg && options.limit == 0 && graph.edge_count() > kSvgEdges) {
    most = kSvgEdges;
    Say(fmt::format("the strongest {} of {} edges are drawn; --limit=N draws more", most,
                    graph.edge_count()));
  }
  const ExportedGraph exported(graph, {.undirected = options.undirected,
                                       .max_edges = static_cast<std::size_t>(most),
                                       .pagerank = options.pagerank,
                                       .components = options.components});
  if (options.format == "json") return exported.Json();
  if (options.format == "graphml") return exported.GraphMl();
  if (!svg) return exported.Dot();
  const bool few = exported.edge_count() <= kDotEdges;
  const bool automatic = options.layout.empty() || options.layout == "auto";
  return GraphvizSvg(automatic ? (few ? "dot" : "sfdp") : options.layout, exported.Dot());
}

Result<std::string> Answer(const Graph& graph, const GraphToolOptions& options) {
  if (options.command == "export") return Exported(graph, options);
  const std::string& by = options.by;
  if (options.command == "top") {
    const bool edges = by.empty() || by == "edges";
    const std::string_view what = edges ? std::string_view("edges") : std::string_view(by);
    if (!options.undirected) return TopReport(graph, what, options.top, options.json);
    return TopReport(edges ? graph.Part(UndirectedEdges(graph)) : BothDirections(graph), what,
                     options.top, options.json);
  }
  if (options.command == "neighbors") {
    return NeighborsReport(graph, options.words[0], options.limit, options.json);
  }
  return PathReport(options.undirected ? BothDirections(graph) : graph, options.words[0],
                    options.words[1], by, options.json);
}

int Write(const std::string& text, const std::string& path) {
  std::FILE* const file = path.empty() ? stdout : std::fopen(path.c_str(), "wb");
  const std::string where = path.empty() ? std::string("standard output") : "--output=" + path;
  bool good = file != nullptr;
  good = good && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  good = good && std::fflush(file) == 0;
  const int error = errno;
  if (file != nullptr && file != stdout) good = std::fclose(file) == 0 && good;
  if (good) return 0;
  Say(IoError(where, error).message());
  return 1;
}

int Main(int argc, const char* const* argv) {
  GraphToolOptions options;
  if (auto code = ParseGraphTool(argc, argv, &options)) return *code;
  int exit_status = 1;
  const auto graph =
      options.file.empty() ? GraphOfStore(options, &exit_status) : GraphOfFile(options);
  if (!graph.ok()) {
    const std::string why = graph.status().message();
    // A wrong URL is told as every wrong option is.
    const bool named = exit_status != 2 || why.find("--store") != std::string::npos;
    Say(named ? why : fmt::format("--store={}: {}", ShownStoreUrl(options.store), why));
    return exit_status;
  }
  const auto answer = Answer(*graph, options);
  if (!answer.ok()) {
    Say(answer.status().message());
    return 1;
  }
  return Write(*answer, options.output);
}

}  // namespace
}  // namespace rivulet

int main(int argc, char** argv) { return rivulet::Main(argc, argv); }
