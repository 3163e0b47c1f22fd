// What rivulet-graph is asked for: its options and words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace rivulet {

struct GraphToolOptions {
  std::string command;  // top, neighbors, path, export
  std::vector<std::string> words;
  std::string store;  // empty: file
  std::string store_password_file;
  std::string prefix = "graph:";
  std::string file;
  std::string by;           // empty: edges of top, hops of path
  std::uint64_t limit = 0;  // 0: all, of SVG 200
  std::uint64_t top = 10;   // of the command's own word
  std::string format;       // empty: dot
  std::string layout;       // empty: auto
  bool pagerank = false;
  bool components = false;
  bool undirected = false;
  bool json = false;
  std::string output;  // empty: standard output
  double at = -1;      // seconds since 1970; below 0: now
  std::uint64_t max_edges = 10'000'000;
};

/// The exit status to end with now, or nothing.
std::optional<int> ParseGraphTool(int argc, const char* const* argv, GraphToolOptions* options);

}  // namespace rivulet
