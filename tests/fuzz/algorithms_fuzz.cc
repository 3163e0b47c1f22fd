// The saved state of an algorithm, which one told by the first byte. What is loaded is saved as it
// was; what was saved is loaded; both go on as one: updates, queries, merging. The second byte says
// whether the bytes are the state, or what was updated into one that is then damaged in some bytes.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/adwin.h"
#include "algorithms/bandit/beta_thompson.h"
#include "algorithms/bandit/epsilon_greedy.h"
#include "algorithms/bandit/exp3.h"
#include "algorithms/bandit/gaussian_thompson.h"
#include "algorithms/bandit/lin_ucb.h"
#include "algorithms/bandit/linear_arm.h"
#include "algorithms/bandit/linear_thompson.h"
#include "algorithms/bandit/ucb1.h"
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
#include "algorithms/random.h"
#include "algorithms/rate.h"
#include "algorithms/regression.h"
#include "algorithms/reservoir.h"
#include "algorithms/top_k.h"

namespace {

using namespace rivulet;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "algorithms_fuzz: %s\n", what);
  std::abort();
}

// `update(state, number, key)` with what the bytes say.
template <typename T, typename Update>
void UpdateAll(std::string_view bytes, Update update, T* state) {
  for (std::size_t at = 0; at < bytes.size() && at < 512; at += 5) {
    ByteReader reader(bytes.substr(at));
    double number = reader.Double();
    if (!reader.ok() || !std::isfinite(number)) number = static_cast<double>(at);
    update(state, number, bytes.substr(at, 1 + at % 11));
  }
}

template <typename T, typename Update>
void LoadAndGoOn(T fresh, std::string_view bytes, Update update) {
  const int damages = bytes.empty() ? 0 : static_cast<unsigned char>(bytes[0]) % 8;
  std::string state(bytes.substr(bytes.empty() ? 0 : 1));
  if (damages > 0) {
    UpdateAll(bytes, update, &fresh);
    std::string saved = fresh.Save();
    Require(T::Load(saved).has_value(), "what was saved is refused");
    ByteReader reader(bytes.substr(bytes.size() / 2));
    for (int i = 1; i < damages; ++i) {
      const std::uint64_t damage = reader.Uint64();
      saved[damage % saved.size()] = static_cast<char>(damage >> 56);
    }
    state = saved;
  }
  auto loaded = T::Load(state);
  if (!loaded) return;
  const std::string saved = loaded->Save();
  auto again = T::Load(saved);
  Require(again.has_value(), "what was loaded and saved is refused");
  Require(again->Save() == saved, "what was saved twice is not the same");
  UpdateAll(bytes, update, &*loaded);
  UpdateAll(bytes, update, &*again);
  Require(again->Save() == loaded->Save(), "they go on differently");
  if constexpr (requires { loaded->Merge(*again); }) {
    loaded->Merge(*again);
    Require(T::Load(loaded->Save()).has_value(), "what was merged is refused");
  }
  if constexpr (requires { loaded->Json(); }) {
    Require(!loaded->Json().empty(), "no JSON");
  }
}

template <typename T>
void Numbers(T fresh, std::string_view bytes) {
  LoadAndGoOn(std::move(fresh), bytes,
              [](T* state, double x, std::string_view) { state->Update(x); });
}

template <typename T>
void Keys(T fresh, std::string_view bytes) {
  LoadAndGoOn(std::move(fresh), bytes,
              [](T* state, double, std::string_view key) { state->Update(key); });
}

template <typename T>
void Pairs(std::string_view bytes) {
  LoadAndGoOn(T(), bytes, [](T* state, double x, std::string_view key) {
    state->Update(x, static_cast<double>(key.size()));
  });
}

void SavedHistogram(std::string_view bytes) {
  const int kind = bytes.empty() ? 0 : static_cast<unsigned char>(bytes.back()) % 3;
  Numbers(Histogram(kind == 0   ? *HistogramScale::Fixed(-4, 4, 20)
                    : kind == 1 ? *HistogramScale::Log(1e-3, 1e3, 5)
                                : HistogramScale::Integers()),
          bytes);
}

void SavedEwma(std::string_view bytes) {
  LoadAndGoOn(Ewma(60), bytes, [](Ewma* state, double x, std::string_view key) {
    state->Update(x, x / 2);
    Require(!state->Json(x + static_cast<double>(key.size())).empty(), "no JSON");
  });
}

void SavedRate(std::string_view bytes) {
  LoadAndGoOn(Rate(60, 12), bytes, [](Rate* state, double x, std::string_view key) {
    state->Update(x);
    Require(!state->Json(x + static_cast<double>(key.size())).empty(), "no JSON");
  });
}

void SavedGraph(std::string_view bytes) {
  LoadAndGoOn(Graph(), bytes, [](Graph* state, double x, std::string_view key) {
    if (Graph::IsWeight(x)) state->AddEdge(key.substr(0, 2), key, x, x);
    state->AddUndirected(key, key.substr(1));
    Require(state->TopEdges(3).size() <= 3, "more than was asked for");
  });
}

void SavedRandom(std::string_view bytes) {
  LoadAndGoOn(Random(1), bytes, [](Random* state, double x, std::string_view) {
    const double shape = std::abs(x);
    if (!(shape > 1e-300 && shape < 1e150)) return;
    const double draw = state->Beta(shape, 1 / shape);
    Require(draw >= 0 && draw <= 1, "a draw that is no share");
  });
}

// Policies without a context; the numbers are rewards.
template <typename T>
void Policy(T fresh, std::string_view bytes) {
  LoadAndGoOn(std::move(fresh), bytes, [](T* state, double x, std::string_view key) {
    Random random(key.size());
    const auto selected = state->Select(random);
    if constexpr (requires { selected.arm; }) {
      Require(selected.arm < state->size(), "no such arm");
    } else {
      Require(selected < state->size(), "no such arm");
    }
    state->Update(selected, x);
  });
}

std::vector<double> ContextOf(std::size_t features, double x, std::string_view key) {
  std::vector<double> context(features, 1);
  for (std::size_t i = 1; i < features; ++i) {
    context[i] = i % 2 == 1 ? x : static_cast<double>(key.size());
  }
  return context;
}

template <typename T>
void Contextual(T fresh, std::string_view bytes) {
  LoadAndGoOn(std::move(fresh), bytes, [](T* state, double x, std::string_view key) {
    if (state->features() > 8) return;  // dear
    Random random(key.size());
    const auto context = ContextOf(state->features(), x, key);
    const std::size_t arm = state->Select(context, random);
    Require(arm < state->size(), "no such arm");
    state->Update(arm, context, x / 2);
  });
}

void SavedLinearArm(std::string_view bytes) {
  LoadAndGoOn(LinearArm(3), bytes, [](LinearArm* state, double x, std::string_view key) {
    if (state->features() > 8) return;
    const auto context = ContextOf(state->features(), x, key);
    state->Update(context, -x);
    const auto [mean, variance] = state->Predict(context);
    if (std::isnan(mean)) return;  // a context beyond what is taken
    Require(std::isfinite(mean) && variance >= 0 && std::isfinite(variance), "no prediction");
  });
}

void RunBandit(unsigned which, std::string_view bytes) {
  switch (which) {
    case 0:
      return SavedRandom(bytes);
    case 1:
      return Policy(BetaThompson(3), bytes);
    case 2:
      return Policy(GaussianThompson(3), bytes);
    case 3:
      return Policy(Ucb1(3), bytes);
    case 4:
      return Policy(EpsilonGreedy(3, 0.5), bytes);
    case 5:
      return Policy(Exp3(3, 0.5), bytes);
    case 6:
      return SavedLinearArm(bytes);
    case 7:
      return Contextual(LinUcb(2, 3), bytes);
    default:
      return Contextual(LinearThompson(2, 3), bytes);
  }
}

void Run(unsigned which, std::string_view bytes) {
  which %= 24;
  if (which >= 15) return RunBandit(which - 15, bytes);
  switch (which) {
    case 0:
      return Numbers(Moments(), bytes);
    case 1:
      return Pairs<Covariance>(bytes);
    case 2:
      return Pairs<LinearRegression>(bytes);
    case 3:
      return SavedHistogram(bytes);
    case 4:
      return Numbers(Quantiles(0.05, 16), bytes);
    case 5:
      return Keys(HyperLogLog(5), bytes);
    case 6:
      return Keys(CountMin(7, 3), bytes);
    case 7:
      return Keys(Reservoir(6, 1), bytes);
    case 8:
      return Keys(TopK(6), bytes);
    case 9:
      return SavedEwma(bytes);
    case 10:
      return SavedRate(bytes);
    case 11:
      return LoadAndGoOn(Ddm(), bytes,
                         [](Ddm* state, double x, std::string_view) { state->Update(x > 1); });
    case 12:
      return Numbers(PageHinkley(), bytes);
    case 13:
      return Numbers(Adwin({.check_every = 4}), bytes);
    default:
      return SavedGraph(bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Run(data[0], std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
