// A table of nanoseconds an item, median and least of the repetitions, in CPU time so that a busy
// machine shows less: what algorithms_bench prints, and run.py reads.
#pragma once

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace rivulet {

class NanosReporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override {
    fmt::print("{:<46} {:>9} {:>9}\n", "ns an update", "median", "least");
    return true;
  }
  /// Requires that each benchmark tells SetItemsProcessed().
  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<double> nanos;
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      nanos.push_back(1e9 / run.counters.at("items_per_second").value);
    }
    if (nanos.empty()) return;
    std::sort(nanos.begin(), nanos.end());
    fmt::print("{:<46} {:>9.1f} {:>9.1f}\n", runs.front().run_name.function_name,
               nanos[nanos.size() / 2], nanos.front());
    std::fflush(stdout);
  }
};

/// A row: `apply(&state, item)` on each of the items over and over, on one state that `make()`
/// gives and that has seen all of them once before. `items()` is asked for when the row is first
/// run.
template <typename Items, typename Make, typename Apply>
void AddRow(const std::string& name, Items items, Make make, Apply apply) {
  using List = std::decay_t<decltype(items())>;
  const auto kept = std::make_shared<std::optional<List>>();
  benchmark::RegisterBenchmark(
      name.c_str(),
      [=](benchmark::State& bench) {
        if (!*kept) *kept = items();
        const List& all = **kept;
        auto state = make();
        for (const auto& item : all) apply(&state, item);
        for ([[maybe_unused]] auto _ : bench) {
          for (const auto& item : all) apply(&state, item);
          benchmark::DoNotOptimize(state);
          benchmark::ClobberMemory();
        }
        bench.SetItemsProcessed(bench.iterations() * static_cast<std::int64_t>(all.size()));
      })
      ->MinTime(0.04)
      ->Repetitions(5);
}

/// Runs the rows whose name holds the regular expression that --benchmark_filter= gives.
inline int RunRows(int* argc, char** argv) {
  benchmark::Initialize(argc, argv);
  if (benchmark::ReportUnrecognizedArguments(*argc, argv)) return 2;
  NanosReporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}

}  // namespace rivulet
