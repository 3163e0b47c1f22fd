// The file store answers as every store does, also when it is closed and opened again before each
// Run().
#include <doctest/doctest.h>

#include <memory>
#include <utility>

#include "store/file_store.h"
#include "tests/unit/scaled.h"
#include "tests/unit/store/conformance.h"
#include "tests/unit/store/file_store_support.h"

namespace rivulet {
namespace {

using namespace file_store_test;

/// A folder of its own, and the store in it, opened anew before each Run() if that is wanted.
class StoreInFolder final : public Store {
 public:
  StoreInFolder(const Clock* clock, bool reopens) : reopens_(reopens) {
    folder_.disk.IgnoreSyncs();
    folder_.options.clock = clock;
    folder_.options.sync = FileStoreSync::kNone;
    // So that snapshots are read back, too.
    folder_.options.least_journal_bytes = 2000;
    folder_.Open();
  }

  Result<std::vector<StoreReply>> Run(const StoreBatch& batch) override {
    return Opened().Run(batch);
  }
  Result<std::vector<std::string>> Keys(std::string_view prefix, StoreKind kind,
                                        std::size_t most) override {
    return Opened().Keys(prefix, kind, most);
  }
  Result<std::optional<std::string>> Get(std::string_view key) override {
    return Opened().Get(key);
  }
  Status Set(std::string_view key, std::string_view value) override {
    return Opened().Set(key, value);
  }
  Result<std::int64_t> Increment(std::string_view key, std::int64_t by) override {
    return Opened().Increment(key, by);
  }
  Status Delete(std::string_view key) override { return Opened().Delete(key); }
  Result<std::int64_t> HashIncrement(std::string_view key, std::string_view field,
                                     std::int64_t by) override {
    return Opened().HashIncrement(key, field, by);
  }
  Result<double> SortedAdd(std::string_view key, std::string_view member, double by) override {
    return Opened().SortedAdd(key, member, by);
  }

 private:
  FileStore& Opened() {
    if (reopens_) folder_.Open();
    return *folder_.store;
  }

  const bool reopens_;
  Folder folder_;
};

void TestConformance(bool reopens, int random_batches) {
  FakeClock clock;
  ConformanceOptions options;
  options.pass = [&](Duration time) { clock.Advance(time); };
  options.random_batches = random_batches;
  TestStoreConformance([&] { return std::make_unique<StoreInFolder>(&clock, reopens); }, options);
}

TEST_CASE("file store: it answers as every store does") { TestConformance(false, Scaled(500)); }

TEST_CASE("file store: it answers as every store does, opened anew before each command") {
  TestConformance(true, Scaled(200));
}

}  // namespace
}  // namespace rivulet
