// Nanoseconds an update of each algorithm and of JSON, and of Boost where it is installed.
//
//   build/release/bench/algorithms_bench [--benchmark_filter=REGEX]
//
// The reader's data: numbers around 100, as of normal distribution; keys whose frequencies fall as
// 1/rank, as those of links and words do; keys all as frequent as each other where the cost by the
// count of keys is asked for.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/adwin.h"
#include "algorithms/count_min.h"
#include "algorithms/covariance.h"
#include "algorithms/ddm.h"
#include "algorithms/ewma.h"
#include "algorithms/graph.h"
#include "algorithms/histogram.h"
#include "algorithms/hyperloglog.h"
#include "algorithms/moments.h"
#include "algorithms/page_hinkley.h"
#include "algorithms/quantiles.h"
#include "algorithms/rate.h"
#include "algorithms/regression.h"
#include "algorithms/reservoir.h"
#include "algorithms/top_k.h"
#include "base/json.h"
#include "bench/algorithms_bandit.h"
#include "bench/algorithms_peers.h"
#include "bench/nanos_reporter.h"

namespace rivulet {
namespace {

constexpr std::size_t kItems = 1 << 16;

using Pair = std::pair<double, double>;
using Keys = std::vector<std::string>;

const std::vector<double>& Numbers() {
  static const auto numbers = [] {
    std::mt19937_64 random(1);
    std::normal_distribution<double> normal(100, 15);
    std::vector<double> values(kItems);
    for (double& value : values) value = normal(random);
    return values;
  }();
  return numbers;
}

const std::vector<double>& WholeNumbers() {
  static const auto numbers = [] {
    std::vector<double> values = Numbers();
    for (double& value : values) value = std::floor(value);
    return values;
  }();
  return numbers;
}

const std::vector<Pair>& Pairs() {
  static const auto pairs = [] {
    std::mt19937_64 random(2);
    std::normal_distribution<double> normal(100, 15);
    std::vector<Pair> values(kItems);
    for (auto& [x, y] : values) {
      x = normal(random);
      y = 2 * x + normal(random);
    }
    return values;
  }();
  return pairs;
}

/// Moments in seconds and numbers, a thousand a second, unevenly.
const std::vector<Pair>& Timed() {
  static const auto timed = [] {
    std::mt19937_64 random(3);
    std::exponential_distribution<double> gap(1000);
    std::vector<Pair> values;
    double at = 0;
    for (const double x : Numbers()) values.emplace_back(at += gap(random), x);
    return values;
  }();
  return timed;
}

/// Numbers of items drawn from `keys` of them with frequencies that fall as 1/rank.
std::vector<std::size_t> ZipfRanks(std::size_t keys, std::size_t count) {
  std::vector<double> upto(keys);
  double sum = 0;
  for (std::size_t i = 0; i < keys; ++i) upto[i] = sum += 1.0 / static_cast<double>(i + 1);
  std::mt19937_64 random(4);
  std::uniform_real_distribution<double> uniform(0, sum);
  std::vector<std::size_t> ranks(count);
  for (std::size_t& rank : ranks) {
    rank = static_cast<std::size_t>(std::lower_bound(upto.begin(), upto.end(), uniform(random)) -
                                    upto.begin());
  }
  return ranks;
}

Keys ZipfKeys(std::size_t keys, std::size_t count) {
  Keys stream;
  for (const std::size_t rank : ZipfRanks(keys, count))
    stream.push_back(fmt::format("key{}", rank));
  return stream;
}

const Keys& Words() {
  static const Keys words = ZipfKeys(100'000, kItems);
  return words;
}

/// Each of `count` keys once, in any order.
Keys EveryKey(std::size_t count) {
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937_64(5));
  Keys stream;
  for (const std::size_t i : order) stream.push_back(fmt::format("key{}", i));
  return stream;
}

void AddNumberRows() {
  AddRow(
      "moments update", Numbers, [] { return Moments(); },
      [](Moments* state, double x) { state->Update(x); });
  AddRow(
      "moments merge", Numbers, [] { return Moments(); }, [other = [] {
        Moments moments;
        for (const double value : {1.0, 2.0, 4.0}) moments.Update(value);
        return moments;
      }()](Moments* state, double) { state->Merge(other); });
  AddRow(
      "covariance update", Pairs, [] { return Covariance(); },
      [](Covariance* state, const Pair& pair) { state->Update(pair.first, pair.second); });
  AddRow(
      "regression update", Pairs, [] { return LinearRegression(); },
      [](LinearRegression* state, const Pair& pair) { state->Update(pair.first, pair.second); });
  AddRow(
      "histogram update, fixed", Numbers,
      [] { return Histogram(*HistogramScale::Fixed(0, 200, 200)); },
      [](Histogram* state, double x) { state->Update(x); });
  AddRow(
      "histogram update, log", Numbers,
      [] { return Histogram(*HistogramScale::Log(1e-6, 1e5, 20)); },
      [](Histogram* state, double x) { state->Update(x); });
  AddRow(
      "histogram update, integers", WholeNumbers,
      [] { return Histogram(HistogramScale::Integers()); },
      [](Histogram* state, double x) { state->Update(x); });
  AddRow(
      "quantiles update", Numbers, [] { return Quantiles(0.01); },
      [](Quantiles* state, double x) { state->Update(x); });
  AddRow(
      "ewma update", Timed, [] { return Ewma(60); },
      [](Ewma* state, const Pair& pair) { state->Update(pair.second, pair.first); });
  AddRow(
      "rate update", Timed, [] { return Rate(60); },
      [](Rate* state, const Pair& pair) { state->Update(pair.first); });
}

void AddDriftRows() {
  AddRow(
      "ddm update", Numbers, [] { return Ddm(); },
      [](Ddm* state, double x) { state->Update(x > 130); });
  AddRow(
      "page_hinkley update", Numbers, [] { return PageHinkley({.threshold = 1e4}); },
      [](PageHinkley* state, double x) { state->Update(x); });
  AddRow(
      "adwin update", Numbers, [] { return Adwin({.range = 200}); },
      [](Adwin* state, double x) { state->Update(x); });
}

void AddKeyRows() {
  AddRow(
      "hyperloglog update", Words, [] { return HyperLogLog(14); },
      [](HyperLogLog* state, const std::string& key) { state->Update(key); });
  AddRow(
      "count_min update", Words, [] { return CountMin::ForError(1e-3, 1e-2); },
      [](CountMin* state, const std::string& key) { state->Update(key); });
  AddRow(
      "count_min update, conservative", Words, [] { return CountMin::ForError(1e-3, 1e-2, true); },
      [](CountMin* state, const std::string& key) { state->Update(key); });
  AddRow(
      "reservoir update, 1000 kept", Words, [] { return Reservoir(1000, 6); },
      [](Reservoir* state, const std::string& key) { state->Update(key); });
  for (const std::size_t keys : {100'000, 1'000'000}) {
    const std::size_t capacity = keys / 100;
    AddRow(
        fmt::format("top_k update, {} of {} Zipf keys held", capacity, keys),
        [keys] { return ZipfKeys(keys, std::size_t{1} << 18); },
        [capacity] { return TopK(capacity); },
        [](TopK* state, const std::string& key) { state->Update(key); });
  }
  for (const std::size_t keys : {10, 1000, 10'000, 100'000, 1'000'000}) {
    AddRow(
        fmt::format("top_k update, all of {} keys held", keys), [keys] { return EveryKey(keys); },
        [keys] { return TopK(keys); },
        [](TopK* state, const std::string& key) { state->Update(key); });
  }
  // Sources and targets of clicks.
  static const auto edges = [] {
    const Keys sources = ZipfKeys(5000, kItems);
    Keys targets = ZipfKeys(50'000, kItems);
    std::shuffle(targets.begin(), targets.end(), std::mt19937_64(7));
    std::vector<std::pair<std::string, std::string>> pairs;
    for (std::size_t i = 0; i < sources.size(); ++i) pairs.emplace_back(sources[i], targets[i]);
    return pairs;
  };
  AddRow(
      "graph add edge", edges, [] { return Graph(); },
      [](Graph* state, const auto& edge) { state->AddEdge(edge.first, edge.second); });
}

void AddJsonRows() {
  static const std::string text =
      R"({"a":"Mozilla\/5.0 (X11; Linux x86_64) Gecko\/20100101","c":"NO","nk":1,)"
      R"("tz":"Europe\/Oslo","gr":"03","g":"Xk3fTa","h":"Xk3fTb","l":"reader","al":"nb,en;q=0.8",)"
      R"("hh":"go.example","r":"http:\/\/news.example\/l\/7AQEFzjSi\/go.example\/Xk3fTa",)"
      R"("u":"http:\/\/www.agency.example\/reports\/2012\/03\/spring-tides.html","t":1331923247,)"
      R"("hc":1331822918,"cy":"Oslo","ll":[59.913868,10.752245]})";
  static const auto thousand = [] { return std::vector<std::string_view>(1000, text); };
  AddRow(
      fmt::format("json parse, a click of {} bytes", text.size()), thousand,
      [] { return JsonDocument(); },
      [](JsonDocument* state, std::string_view click) {
        benchmark::DoNotOptimize(state->Parse(click).ok());
      });
  AddRow(
      "json write, the same", thousand,
      [] {
        JsonDocument document;
        if (!document.Parse(text).ok()) std::abort();
        return std::make_pair(std::move(document), std::string());
      },
      [](auto* state, std::string_view) {
        state->second.clear();
        AppendJson(&state->second, state->first.root());
      });
}

}  // namespace
}  // namespace rivulet

int main(int argc, char** argv) {
  rivulet::AddNumberRows();
  rivulet::AddKeyRows();
  rivulet::AddDriftRows();
  rivulet::AddDrawRows();
  rivulet::AddSelectRows();
  rivulet::AddJsonRows();
  rivulet::AddPeerRows(rivulet::Numbers, rivulet::Pairs);
  return rivulet::RunRows(&argc, argv);
}
