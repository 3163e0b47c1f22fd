// Nanoseconds an update of each algorithm, and of JSON: the median and the least of nine runs, in
// CPU time, so that a busy machine shows less.
//
//   build/release/bench/algorithms_bench [NAME]     only those whose name holds NAME
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/moments.h"
#include "algorithms/top_k.h"
#include "base/json.h"

namespace rivulet {
namespace {

constexpr std::size_t kRuns = 9;
constexpr std::size_t kValues = 1 << 20;

double CpuNanos() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// What `value` is made of is computed, whatever becomes of it.
template <typename T>
void Keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

template <typename Run>
void Measure(std::string_view filter, std::string_view name, std::size_t updates, Run run) {
  if (name.find(filter) == std::string_view::npos) return;
  std::array<double, kRuns> nanos{};
  for (double& each : nanos) {
    const double start = CpuNanos();
    run();
    each = (CpuNanos() - start) / static_cast<double>(updates);
  }
  std::sort(nanos.begin(), nanos.end());
  fmt::print("{:<44} {:>9.1f} {:>9.1f}\n", name, nanos[kRuns / 2], nanos[0]);
}

std::vector<double> NormalValues() {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(100, 15);
  std::vector<double> values(kValues);
  for (double& value : values) value = normal(random);
  return values;
}

// Keys whose frequencies fall as 1/rank, as those of links and words do.
std::vector<std::string> ZipfKeys(std::size_t keys) {
  std::vector<double> upto(keys);
  double sum = 0;
  for (std::size_t i = 0; i < keys; ++i) upto[i] = sum += 1.0 / static_cast<double>(i + 1);
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> uniform(0, sum);
  std::vector<std::string> stream(kValues);
  for (std::string& key : stream) {
    const auto rank = std::lower_bound(upto.begin(), upto.end(), uniform(random)) - upto.begin();
    key = fmt::format("key{}", rank);
  }
  return stream;
}

void BenchTopK(std::string_view filter, std::size_t keys, std::size_t capacity) {
  const std::string name = fmt::format("top_k update, {} of {} Zipf keys held", capacity, keys);
  if (name.find(filter) == std::string::npos) return;
  const auto stream = ZipfKeys(keys);
  Measure(filter, name, stream.size(), [&] {
    TopK top(capacity);
    for (const std::string& key : stream) top.Update(key);
    Keep(top.total());
  });
}

void BenchJson(std::string_view filter) {
  std::string text = R"({"a":"Mozilla\/5.0 (X11; Linux x86_64) Gecko\/20100101","c":"NO","nk":1,)";
  text +=
      R"("tz":"Europe\/Oslo","gr":"03","g":"Xk3fTa","h":"Xk3fTb","l":"reader","al":"nb,en;q=0.8",)";
  text += R"("hh":"go.example","r":"http:\/\/news.example\/l\/7AQEFzjSi\/go.example\/Xk3fTa",)";
  text +=
      R"("u":"http:\/\/www.agency.example\/reports\/2012\/03\/spring-tides.html","t":1331923247,)";
  text += R"("hc":1331822918,"cy":"Oslo","ll":[59.913868,10.752245]})";
  const std::string name = fmt::format("json parse, a click of {} bytes", text.size());
  constexpr std::size_t kParses = 100'000;
  JsonDocument document;
  Measure(filter, name, kParses, [&] {
    for (std::size_t i = 0; i < kParses; ++i) Keep(document.Parse(text).ok());
  });
  std::string out;
  Measure(filter, "json write, the same", kParses, [&] {
    for (std::size_t i = 0; i < kParses; ++i) {
      out.clear();
      AppendJson(&out, document.root());
      Keep(out.size());
    }
  });
}

void Main(std::string_view filter) {
  fmt::print("{:<44} {:>9} {:>9}\n", "ns an update", "median", "least");
  const auto values = NormalValues();
  Measure(filter, "moments update", values.size(), [&] {
    Moments moments;
    for (const double value : values) moments.Update(value);
    Keep(moments.excess_kurtosis());
  });
  const Moments other = [] {
    Moments moments;
    for (const double value : {1.0, 2.0, 4.0}) moments.Update(value);
    return moments;
  }();
  Measure(filter, "moments merge", kValues, [&] {
    Moments moments;
    for (std::size_t i = 0; i < kValues; ++i) moments.Merge(other);
    Keep(moments.excess_kurtosis());
  });
  BenchTopK(filter, 200, 1000);
  BenchTopK(filter, 100'000, 1000);
  BenchTopK(filter, 1'000'000, 10'000);
  BenchJson(filter);
}

}  // namespace
}  // namespace rivulet

int main(int argc, char** argv) {
  rivulet::Main(argc > 1 ? argv[1] : "");
  return 0;
}
