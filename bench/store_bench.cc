// What the stores in memory and in a folder cost: nanoseconds a command, by how many keys there
// are.
//
//   build/release/bench/store_bench [--benchmark_filter=REGEX] [--benchmark_format=json]
//
// The folders of file stores are made under TMPDIR, and removed.
//
// The keys are drawn at random beforehand, so that with many of them each command misses the cache
// as a stream of messages does.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "algorithms/moments.h"
#include "base/clock.h"
#include "store/file_store.h"
#include "store/memory_store.h"

namespace rivulet {
namespace {

using benchmark::State;

constexpr std::size_t kDrawn = 1 << 16;
constexpr int kBatch = 500;

std::vector<std::string> Keys(std::int64_t count, const char* prefix) {
  std::vector<std::string> keys;
  for (std::int64_t i = 0; i < count; ++i) keys.push_back(fmt::format("{}{}", prefix, i));
  return keys;
}

/// `keys`, many times and in no order, as a program has them that reads messages: next to each
/// other.
std::vector<std::string> Drawn(const std::vector<std::string>& keys) {
  std::mt19937_64 random(1);
  std::vector<std::string> drawn;
  for (std::size_t i = 0; i < kDrawn; ++i) drawn.push_back(keys[random() % keys.size()]);
  return drawn;
}

template <typename Make, typename Update>
void Run(State& state, const char* prefix, Make make, Update update) {
  const auto keys = Keys(state.range(0), prefix);
  MemoryStore store;
  for (const std::string& key : keys) make(store, key);
  const auto drawn = Drawn(keys);
  std::size_t next = 0;
  for (auto _ : state) update(store, drawn[next++ % kDrawn]);
  state.SetItemsProcessed(state.iterations());
}

void Increment(State& state) {
  const auto add = [](MemoryStore& store, const std::string& key) {
    benchmark::DoNotOptimize(store.Increment(key, 1));
  };
  Run(state, "visitors|", add, add);
}

void Get(State& state) {
  Run(
      state, "key|", [](MemoryStore& store, const std::string& key) { (void)store.Set(key, key); },
      [](MemoryStore& store, const std::string& key) { benchmark::DoNotOptimize(store.Get(key)); });
}

void HashIncrement(State& state) {
  const auto add = [](MemoryStore& store, const std::string& field) {
    benchmark::DoNotOptimize(store.HashIncrement("clicks", field, 1));
  };
  Run(state, "country ", add, add);
}

void SortedAdd(State& state) {
  const auto add = [](MemoryStore& store, const std::string& member) {
    benchmark::DoNotOptimize(store.SortedAdd("graph:a", member, 1));
  };
  Run(state, "node ", add, add);
}

void SortedTop10(State& state) {
  Run(
      state, "node ",
      [](MemoryStore& store, const std::string& member) {
        (void)store.SortedAdd("s", member, static_cast<double>(std::hash<std::string>()(member)));
      },
      [](MemoryStore& store, const std::string&) {
        benchmark::DoNotOptimize(store.SortedTop("s", 10));
      });
}

BENCHMARK(Increment)->RangeMultiplier(10)->Range(10, 1'000'000);
BENCHMARK(HashIncrement)->RangeMultiplier(10)->Range(10, 1'000'000);
BENCHMARK(SortedAdd)->RangeMultiplier(10)->Range(10, 1'000'000);
BENCHMARK(Get)->Arg(1000)->Arg(1'000'000);
BENCHMARK(SortedTop10)->Arg(1000)->Arg(100'000);

/// Items are commands.
template <typename Fill>
void RunBatches(State& state, StoreBatch::Mode mode, Fill fill) {
  MemoryStore store;
  const auto drawn = Drawn(Keys(state.range(0), "key|"));
  std::size_t next = 0;
  StoreBatch batch(mode);
  std::int64_t commands = 0;
  for (auto _ : state) {
    batch.Clear();
    for (int i = 0; i < kBatch; ++i) fill(batch, drawn[next++ % kDrawn]);
    benchmark::DoNotOptimize(store.Run(batch));
    commands += static_cast<std::int64_t>(batch.size());
  }
  state.SetItemsProcessed(commands);
}

void PipelinedIncrement(State& state) {
  RunBatches(state, StoreBatch::Mode::kPipelined,
             [](StoreBatch& batch, const std::string& key) { batch.Increment(key, 1); });
}

void OnceAndSortedAdd(State& state) {
  std::int64_t id = 0;
  RunBatches(state, StoreBatch::Mode::kAtomic, [&](StoreBatch& batch, const std::string& key) {
    batch.Once("bench", fmt::format("queue|{}", ++id));
    batch.SortedAdd("graph", key, 1);
  });
}

void SortedAddWithin(State& state) {
  RunBatches(state, StoreBatch::Mode::kAtomic, [](StoreBatch& batch, const std::string& key) {
    batch.SortedAddWithin("top", key, 1, 1000);
  });
}

void MergeMoments(State& state) {
  Moments moments;
  for (int i = 0; i < 10; ++i) moments.Update(i * 0.1);
  const std::string saved = moments.Save();
  RunBatches(state, StoreBatch::Mode::kAtomic,
             [&](StoreBatch& batch, const std::string& key) { batch.MergeMoments(key, saved); });
}

void DistinctAdd(State& state) {
  RunBatches(state, StoreBatch::Mode::kAtomic,
             [](StoreBatch& batch, const std::string& key) { batch.DistinctAdd("visitors", key); });
}

BENCHMARK(PipelinedIncrement)->Arg(1000);
BENCHMARK(OnceAndSortedAdd)->Arg(1000);
BENCHMARK(SortedAddWithin)->Arg(10'000);
BENCHMARK(MergeMoments)->Arg(1000);
BENCHMARK(DistinctAdd)->Arg(10'000);

/// A folder for a store, which goes with it.
class Folder {
 public:
  Folder() {
    std::string path = std::filesystem::temp_directory_path() / "store_bench_XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::unique_ptr<FileStore> Open(FileStoreSync sync) const {
    static const SystemClock clock;
    FileStoreOptions options;
    options.folder = path_;
    options.sync = sync;
    options.clock = &clock;
    auto store = FileStore::Open(options);
    if (!store.ok()) std::abort();
    return std::move(*store);
  }

 private:
  std::string path_;
};

void FileIncrement(State& state) {
  const Folder folder;
  const auto store = folder.Open(FileStoreSync::kNone);
  const auto drawn = Drawn(Keys(state.range(0), "key|"));
  std::size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(store->Increment(drawn[next++ % kDrawn], 1));
  state.SetItemsProcessed(state.iterations());
}

/// Items are commands.
void FileBatches(State& state, FileStoreSync sync) {
  const Folder folder;
  const auto store = folder.Open(sync);
  const auto drawn = Drawn(Keys(state.range(0), "key|"));
  std::size_t next = 0;
  StoreBatch batch;
  for (auto _ : state) {
    batch.Clear();
    for (int i = 0; i < kBatch; ++i) batch.Increment(drawn[next++ % kDrawn], 1);
    benchmark::DoNotOptimize(store->Run(batch));
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void FileBatchIncrement(State& state) { FileBatches(state, FileStoreSync::kNone); }
void FileSyncedBatchIncrement(State& state) { FileBatches(state, FileStoreSync::kAlways); }

/// Opens a store that was left behind. Items are keys, each of which was counted on once.
void FileRecovery(State& state) {
  const Folder folder;
  const std::int64_t keys = state.range(0);
  {
    const auto store = folder.Open(FileStoreSync::kNone);
    StoreBatch batch;
    for (std::int64_t i = 0; i < keys; ++i) {
      batch.Increment(fmt::format("key|{}", i), 1);
      if (batch.size() < kBatch && i + 1 < keys) continue;
      if (!store->Run(batch).ok()) std::abort();
      batch.Clear();
    }
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(folder.Open(FileStoreSync::kNone));
  }
  state.SetItemsProcessed(state.iterations() * keys);
}

BENCHMARK(FileIncrement)->Arg(1000)->UseRealTime();
BENCHMARK(FileBatchIncrement)->Arg(1000)->UseRealTime();
BENCHMARK(FileSyncedBatchIncrement)->Arg(1000)->UseRealTime();
BENCHMARK(FileRecovery)->Arg(1'000'000)->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace rivulet

BENCHMARK_MAIN();
