// The store in memory, three ways, told by the first byte:
//   saved      the bytes are a saved store: what is taken can be saved, and comes back the same
//   pipelined  the bytes are commands: each is answered, and what is held can be saved
//   atomic     the same, done whole; where they are refused, nothing has changed
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "algorithms/moments.h"
#include "base/clock.h"
#include "store/memory_store.h"

namespace {

using namespace rivulet;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "store_fuzz: %s\n", what);
  std::abort();
}

void SameAgain(const MemoryStore& store, const Clock& clock) {
  const std::string saved = store.Save();
  MemoryStore again(clock);
  Require(again.Load(saved).ok(), "what was saved is refused");
  Require(again.Save() == saved, "what was saved twice is not the same");
  Require(again.size() <= store.size(), "keys that came");
}

void Saved(std::string_view bytes) {
  const FakeClock clock;
  MemoryStore store(clock);
  const Status status = store.Load(
      bytes.starts_with("rivulet") ? std::string(bytes) : "rivulet store 2\n" + std::string(bytes));
  if (!status.ok()) {
    Require(status.code() == StatusCode::kCorrupt, "another error");
    Require(store.size() == 0 && store.bytes() == 0, "what is left of a damaged store");
    return;
  }
  SameAgain(store, clock);
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  batch.Once("scope", "q7");
  batch.Increment("n", 1);
  Require(store.Run(batch).ok() || store.Keys("n", StoreKind::kText, 100).ok(), "no answer");
}

/// A key of each kind, to work on.
void Fill(MemoryStore& store) {
  StoreBatch batch;
  batch.Set("t", "text");
  batch.Increment("n", 1);
  batch.HashSet("h", "a", "text");
  batch.HashIncrement("h", "n", 1);
  batch.SortedAdd("s", "a", 1);
  batch.SortedAdd("s", "b", 2);
  batch.DistinctAdd("d", "a");
  Moments moments;
  moments.Update(1);
  batch.MergeMoments("m", moments.Save());
  Require(store.Run(batch).ok(), "the store cannot be filled");
}

void Commands(StoreBatch::Mode mode, std::string_view bytes) {
  const FakeClock clock;
  const auto batch = StoreBatch::FromBytes(mode, bytes);
  if (!batch) return;
  MemoryStore store(clock);
  Fill(store);
  const std::size_t before = store.bytes();
  const std::size_t keys = store.size();
  const auto replies = store.Run(*batch);
  if (replies.ok()) {
    Require(replies->size() == batch->size(), "as many replies as commands");
    if (mode == StoreBatch::Mode::kAtomic) {
      for (const StoreReply& reply : *replies) Require(reply.status.ok(), "done, and failed");
    }
  } else {
    Require(mode == StoreBatch::Mode::kAtomic, "a pipelined batch is answered");
    // Ids that came and were taken back may leave their scope.
    Require(store.size() == keys && store.bytes() >= before, "a refused batch changed something");
    Require(store.Get("t")->value() == "text" && store.Get("n")->value() == "1" &&
                store.HashAll("h")->size() == 2 && store.SortedTop("s", -1)->size() == 2 &&
                store.HashAll("m")->size() == 7,
            "a refused batch changed a value");
  }
  SameAgain(store, clock);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      Saved(bytes);
      break;
    case 1:
      Commands(StoreBatch::Mode::kPipelined, bytes);
      break;
    default:
      Commands(StoreBatch::Mode::kAtomic, bytes);
  }
  return 0;
}
