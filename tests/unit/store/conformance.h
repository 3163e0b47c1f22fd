// What every store answers, whatever keeps it: one suite, run over each.
//
//   TEST_CASE("file store: it answers as every store does") {
//     TestStoreConformance([] { return OpenEmpty(); }, {.pass = [](Duration d) { Sleep(d); },
//                                                       .tick = milliseconds(20)});
//   }
//
// `make_empty` gives a store that holds nothing, each time that it is called; the one before is
// gone by then. The suite is SUBCASEs: the test case around it runs once for each of them. It
// stands in tests/unit/store/conformance_*_test.cc, which are to be linked.
//
// What it holds to be a command's reply, beyond what store_batch.h says: commands of which that
// says no answer give kDone; HashAll and SortedTop of what is not there give no items; an atomic
// command in a pipelined batch is a kFailed reply of kInvalidArgument, and the others are done.
// Numbers are compared within 1e-12 of their size: a Redis adds in decimal.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.h"
#include "store/store.h"

namespace rivulet {

struct ConformanceOptions {
  /// Lets so much of the store's time pass. Nothing: what needs that is left out.
  std::function<void(Duration)> pass;
  /// The shortest time that can be told from none: keys expire after some of these.
  Duration tick = std::chrono::seconds(10);
  /// Random batches that are compared with a plain model.
  int random_batches = 2000;
  /// Sums that leave the numbers of 64 bits (1e308 + 1e308) are refused.
  bool refuses_infinity = true;
  /// An atomic batch looks at the kind of a key as its own commands before have changed it, and at
  /// none that only skipped commands name. False: it looks at all before it begins.
  bool kinds_in_order = true;
};

void TestStoreConformance(const std::function<std::unique_ptr<Store>()>& make_empty,
                          const ConformanceOptions& options);

// Its parts, each with an empty store.
void TestStoreTexts(Store& store);
void TestStoreCounters(Store& store);
void TestStoreHashes(Store& store);
void TestStoreSortedSets(Store& store);
void TestStoreSpaceSaving(Store& store);
void TestStoreDecay(Store& store);
void TestStoreSummaries(Store& store);
void TestStoreKinds(Store& store);
void TestStoreBytes(Store& store);
void TestStoreKeys(Store& store);
void TestStorePipelines(Store& store);
void TestStoreRefusals(Store& store, const ConformanceOptions& options);
void TestStoreRequirements(Store& store);
void TestStoreOnce(Store& store);
void TestStoreAdmit(Store& store, const ConformanceOptions& options);
void TestStoreHashGates(Store& store, const ConformanceOptions& options);
void TestStoreExpiry(Store& store, const ConformanceOptions& options);
void TestStoreRandomly(Store& store, const ConformanceOptions& options);

}  // namespace rivulet
