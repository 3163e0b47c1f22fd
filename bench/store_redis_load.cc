// Commands a second that a Redis store carries out, with one connection.
//
//   store_redis_load ADDRESS SECONDS KIND...
//
// ADDRESS: PORT on 127.0.0.1, or the path of a unix socket. KIND: hincrby, zincrby (pipelines of
// 100 commands on one key, as `redis-benchmark -P 100 -c 1` sends), edges (atomic batches of 500
// groups: Once() and SortedAdd(), as the graph task's), once (the same on one key), counts (Once()
// and HashIncrement()), moments (MergeMoments(), pipelines of 100, at one key), keyed-moments (at
// 1,000 keys), numbers (atomic batches of 240 groups: Once() and a HashAddNumbers() of 136, as of a
// contextual bandit with 15 features). Prints a line a kind: its name and commands (groups) a
// second. What is at the keys "bench|…" is deleted.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/moments.h"
#include "store/redis_store.h"

namespace {

using rivulet::StoreBatch;
using Fill = std::function<void(StoreBatch&, std::uint64_t)>;

struct Load {
  StoreBatch::Mode mode;
  int size;
  Fill fill;  // adds the n-th command, or group
};

std::uint64_t Mixed(std::uint64_t n) {
  n = (n ^ (n >> 31)) * 0x9e3779b97f4a7c15ULL;
  return n ^ (n >> 29);
}

Load LoadOf(const std::string& kind) {
  constexpr auto kAtomic = StoreBatch::Mode::kAtomic;
  constexpr auto kPipelined = StoreBatch::Mode::kPipelined;
  if (kind == "hincrby") {
    return {kPipelined, 100, [](StoreBatch& batch, std::uint64_t) {
              batch.HashIncrement("bench|hash", "field", 1);
            }};
  }
  if (kind == "zincrby") {
    return {kPipelined, 100,
            [](StoreBatch& batch, std::uint64_t) { batch.SortedAdd("bench|set", "member", 1); }};
  }
  if (kind == "edges") {
    return {kAtomic, 500, [](StoreBatch& batch, std::uint64_t n) {
              const std::uint64_t mixed = Mixed(n);
              batch.Once("bench|edges", fmt::format("q-{}", n));
              batch.SortedAdd(fmt::format("bench|graph|node {}", mixed % 1000),
                              fmt::format("node {}", (mixed >> 20) % 1000), 1);
            }};
  }
  if (kind == "once") {
    return {kAtomic, 500, [](StoreBatch& batch, std::uint64_t n) {
              batch.Once("bench|once", fmt::format("q-{}", n));
              batch.SortedAdd("bench|top", fmt::format("node {}", Mixed(n) % 1000), 1);
            }};
  }
  if (kind == "counts") {
    return {kAtomic, 500, [](StoreBatch& batch, std::uint64_t n) {
              batch.Once("bench|counts", fmt::format("q-{}", n));
              batch.HashIncrement("bench|histogram", fmt::format("{}", Mixed(n) % 1000), 1);
            }};
  }
  if (kind == "moments") {
    rivulet::Moments moments;
    for (int i = 0; i < 10; ++i) moments.Update(i * 0.7);
    return {kPipelined, 100, [saved = moments.Save()](StoreBatch& batch, std::uint64_t) {
              batch.MergeMoments("bench|moments", saved);
            }};
  }
  if (kind == "keyed-moments") {
    rivulet::Moments moments;
    for (int i = 0; i < 10; ++i) moments.Update(i * 0.7);
    return {kPipelined, 100, [saved = moments.Save()](StoreBatch& batch, std::uint64_t n) {
              batch.MergeMoments(fmt::format("bench|moments {}", Mixed(n) % 1000), saved);
            }};
  }
  if (kind == "numbers") {
    return {kAtomic, 240, [](StoreBatch& batch, std::uint64_t n) {
              static const std::vector<double> products(136, 0.125);
              batch.Once("bench|numbers", fmt::format("q-{}", n));
              batch.HashAddNumbers("bench|linear", fmt::format("xx|{}", Mixed(n) % 10), products);
            }};
  }
  fmt::print(stderr, "store_redis_load: no kind of load: {}\n", kind);
  std::exit(2);
}

bool Clear(rivulet::RedisStore& store) {
  for (const std::string_view prefix : {"bench|", "rivulet|once|bench"}) {
    for (const auto kind :
         {rivulet::StoreKind::kText, rivulet::StoreKind::kHash, rivulet::StoreKind::kSorted}) {
      const auto keys = store.Keys(prefix, kind, 10'000'000);
      if (!keys.ok()) return false;
      for (const std::string& key : *keys) {
        if (!store.Delete(key).ok()) return false;
      }
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: store_redis_load ADDRESS SECONDS KIND...\n");
    return 2;
  }
  const rivulet::SystemClock clock;
  rivulet::RedisAddress address;
  const std::string where = argv[1];
  if (where.find('/') != std::string::npos) {
    address.unix_path = where;
  } else {
    address.host = "127.0.0.1";
    address.port = static_cast<std::uint16_t>(std::atoi(where.c_str()));
  }
  auto store = rivulet::RedisStore::Open(
      address, {&clock, std::chrono::seconds(5), "", std::size_t{512} << 20});
  if (!store.ok() || !Clear(**store)) {
    fmt::print(stderr, "store_redis_load: {}\n", store.status().message());
    return 1;
  }
  const std::chrono::duration<double> length(std::atof(argv[2]));
  for (int i = 3; i < argc; ++i) {
    const Load load = LoadOf(argv[i]);
    std::uint64_t done = 0;
    const auto began = clock.Now();
    auto now = began;
    StoreBatch batch(load.mode);
    for (; now - began < length; now = clock.Now()) {
      batch.Clear();
      for (int n = 0; n < load.size; ++n) load.fill(batch, done++);
      const auto replies = (*store)->Run(batch);
      if (!replies.ok()) {
        fmt::print(stderr, "store_redis_load: {}\n", replies.status().message());
        return 1;
      }
    }
    const double seconds = std::chrono::duration<double>(now - began).count();
    fmt::print("{} {:.0f}\n", argv[i], static_cast<double>(done) / seconds);
    std::fflush(stdout);
  }
  return Clear(**store) ? 0 : 1;
}
