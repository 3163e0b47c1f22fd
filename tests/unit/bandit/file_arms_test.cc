#include "bandit/file_arms.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "store/file_store.h"
#include "tests/unit/journal/support.h"

using namespace rivulet;
using std::chrono::milliseconds;

namespace {

const SystemClock kClock;

struct Writer {
  explicit Writer(const std::string& folder) {
    FileStoreOptions options;
    options.folder = folder;
    options.sync = FileStoreSync::kNone;
    options.clock = &kClock;
    auto opened = FileStore::Open(options);
    REQUIRE(opened.ok());
    store = std::move(*opened);
  }
  void Count(const std::string& field, std::int64_t by) {
    REQUIRE(store->HashIncrement("items", field, by).ok());
  }
  std::unique_ptr<FileStore> store;
};

struct Reading {
  Reading(const std::string& url, Duration refresh)
      : arms(loop, kClock, url, {.keys = {}, .features = 0, .refresh = refresh}) {
    arms.Start();
  }
  template <typename Condition>
  void Until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      loop.RunOnce(milliseconds(5));
    }
  }
  std::int64_t Clicks() const {
    const auto& known = arms.known().arms;
    return known == nullptr || known->arms.empty() ? -1 : known->arms.at(0).clicks;
  }

  EventLoop loop;
  FileArms arms;
};

}  // namespace

TEST_CASE("file arms: what another process counts is seen, and a still folder is not opened") {
  journal_test::TempFolder folder;
  Writer writer(folder.path());
  writer.Count("c|a", 2);
  writer.Count("i|a", 5);
  Reading reading("file:" + folder.path() + "?sync=none", milliseconds(1));
  reading.Until([&] { return reading.Clicks() == 2; });
  const auto first = reading.arms.known().arms;
  CHECK(first->arms.at(0).impressions == 5);
  // Once nothing was written lately, looking is enough.
  std::uint64_t openings = 0;
  std::uint64_t readings = 0;
  reading.Until([&] {
    if (reading.arms.openings() != openings) {
      openings = reading.arms.openings();
      readings = reading.arms.known().readings;
    }
    return reading.arms.known().readings >= readings + 10;
  });
  CHECK(reading.arms.known().arms == first);
  writer.Count("c|a", 1);
  reading.Until([&] { return reading.Clicks() == 3; });
  CHECK(reading.arms.openings() > openings);
  CHECK(first->arms.at(0).clicks == 2);
}

TEST_CASE("file arms: a folder that is not there yet, or is damaged, is a failure that heals") {
  journal_test::TempFolder folder;
  const std::string path = folder.File("store");
  Reading reading("file:" + path, milliseconds(1));
  reading.Until([&] { return reading.arms.known().failures >= 2; });
  CHECK(reading.arms.known().arms == nullptr);
  CHECK(reading.arms.known().status.message().find(path) != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(path));  // it only reads
  Writer writer(path);
  writer.Count("c|a", 4);
  reading.Until([&] { return reading.Clicks() == 4; });
  CHECK(reading.arms.known().status.ok());
  const auto last = reading.arms.known().arms;
  writer.store.reset();
  std::filesystem::remove_all(path);
  reading.Until([&] { return !reading.arms.known().status.ok(); });
  CHECK(reading.arms.known().arms == last);
}
