#include "collector/config.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace rivulet;

namespace {

CollectorOptions To(std::vector<std::string> urls) {
  CollectorOptions options;
  options.delivery.post_urls = std::move(urls);
  return options;
}

}  // namespace

TEST_CASE("destinations that take batches get batches, unless --batch was given") {
  CollectorOptions options =
      To({"http://h/put?queue=a", "http://h/pub", "http://h:1/x/mput?queue=/put", "http://h/pubs"});
  const auto chosen = MakeOutletConfig(options, false, 1);
  REQUIRE(chosen.ok());
  std::vector<std::uint64_t> batches;
  std::vector<bool> batched;
  for (std::size_t i = 0; i < 4; ++i) {
    batches.push_back(chosen->delivery.forwarder.destinations[i].batch);
    batched.push_back(chosen->delivery.destinations[i].batched);
  }
  CHECK(batches == std::vector<std::uint64_t>{1, 100, 100, 1});
  CHECK(batched == std::vector<bool>{false, true, true, false});

  options.delivery.batch = 7;
  const auto given = MakeOutletConfig(options, true, 1);
  REQUIRE(given.ok());
  for (const auto& window : given->delivery.forwarder.destinations) CHECK(window.batch == 7);
  options.delivery.batch = 1;
  CHECK_FALSE(MakeOutletConfig(options, true, 1)->delivery.destinations[1].batched);
}

TEST_CASE("a spool keeps what was answered at once, and a dry run keeps nothing") {
  CollectorOptions options = To({"http://h/put", "http://h/put"});
  CHECK_FALSE(MakeOutletConfig(options, false, 1)->spool.has_value());
  options.spool.path = "spool";
  const auto kept = MakeOutletConfig(options, false, 1);
  REQUIRE(kept->spool.has_value());
  CHECK(kept->spool->sync.kind == SyncPolicy::Kind::kAlways);
  // The same URL twice is two destinations.
  REQUIRE(kept->spool->readers.size() == 2);
  CHECK(kept->spool->readers[0] != kept->spool->readers[1]);
  // Nothing waits here when the disk is full: who sends is told.
  CHECK(kept->spool->meanwhile.find("refused with 503") != std::string::npos);
  options.delivery.dry_run = true;
  options.delivery.dead_letter = "dead";
  const auto dry = MakeOutletConfig(options, false, 1);
  CHECK_FALSE(dry->spool.has_value());
  CHECK(dry->delivery.dead_letter_path.empty());
}
