// The conformance suite: what makes the rest of a group skipped.
#include "tests/unit/store/conformance.h"
#include "tests/unit/store/conformance_support.h"

namespace rivulet {

using namespace conformance;

void TestStoreAdmit(Store& store, const ConformanceOptions& options) {
  StoreBatch batch(Mode::kAtomic);
  const auto visit = [&](const char* id, const char* key) {
    batch.Once("visits", id);
    batch.Increment("messages", 1);
    batch.Admit("keys", key, 2);
    batch.HashIncrement(key, "n", 1);
    batch.HashIncrement(key, "m", 1);
  };
  visit("1", "a");
  visit("2", "b");
  visit("3", "c");  // no room: counted as a message, and no more
  visit("4", "a");
  visit("4", "c");
  const auto replies = RunAll(store, batch);
  CHECK(KindsOf(replies) ==
        "wwwww"
        "wwwww"
        "wwwss"
        "wwwww"
        "wssss");
  CHECK(replies[2].whole == 1);
  CHECK(replies[12].whole == 0);
  CHECK(TopOf(store, "keys", -1) == "a=2 b=1");
  CHECK(TextAt(store, "messages") == "4");
  CHECK(FieldAt(store, "c", "n") == "(none)");
  if (options.kinds_in_order) {
    CHECK(store.Set("d", "text").ok());
    StoreBatch skipped(Mode::kAtomic);
    skipped.Admit("keys", "d", 2);
    skipped.HashIncrement("d", "n", 1);
    CHECK(KindsOf(RunAll(store, skipped)) == "ws");
    StoreBatch changed(Mode::kAtomic);
    changed.Delete("d");
    changed.HashIncrement("d", "n", 1);
    CHECK(KindsOf(RunAll(store, changed)) == "ww");
  }
  StoreBatch none(Mode::kAtomic);
  none.Admit("none", "m", 0);
  none.Increment("messages", 1);
  CHECK(KindsOf(RunAll(store, none)) == "ws");
  CHECK(TextAt(store, "messages") == "4");
  CHECK(Ask(store, [](auto& b) { b.Delete("none"); }).whole == 0);
  CHECK(store.HashSet("hash", "f", "v").ok());
  StoreBatch wrong(Mode::kAtomic);
  wrong.Increment("messages", 1);
  wrong.Admit("hash", "m", 5);
  CHECK(store.Run(wrong).status().code() == StatusCode::kInvalidArgument);
  CHECK(TextAt(store, "messages") == "4");
}

void TestStoreHashGates(Store& store, const ConformanceOptions& options) {
  CHECK(store.HashSet("items", "i|a", "1").ok());
  CHECK(store.HashSet("items", "empty", "").ok());
  CHECK(store.HashIncrement("items", "round", 7).ok());
  StoreBatch batch(Mode::kAtomic);
  const auto count = [&](const char* id, const char* round, const char* field) {
    batch.Once("messages", id);
    batch.HashIncrement("state", "seen", 1);
    batch.HashHolds("items", "round", round);
    batch.HashHas("items", field);
    batch.HashIncrement("items", field, 1);
  };
  count("1", "7", "i|a");
  count("2", "7", "i|b");  // no such field
  count("3", "8", "i|a");  // another text
  count("1", "7", "i|a");  // came before
  count("4", "07", "i|a");
  count("5", "", "i|a");
  const auto replies = RunAll(store, batch);
  CHECK(KindsOf(replies) ==
        "wwwww"
        "wwwws"
        "wwwss"
        "wssss"
        "wwwss"
        "wwwss");
  CHECK(replies[2].whole == 1);
  CHECK(replies[3].whole == 1);
  CHECK(replies[8].whole == 0);
  CHECK(replies[12].whole == 0);
  CHECK(FieldAt(store, "state", "seen") == "5");
  CHECK(FieldAt(store, "items", "i|a") == "2");
  CHECK(FieldAt(store, "items", "i|b") == "(none)");

  // As it is after the commands before; a key or field that is not there holds no empty text.
  StoreBatch now(Mode::kAtomic);
  now.Once("always", "");
  now.HashHas("items", "empty");
  now.HashHolds("items", "empty", "");
  now.HashSet("fresh", "f", "v");
  now.HashHas("fresh", "f");
  now.HashHolds("fresh", "f", "v");
  now.HashDelete("fresh", "f");
  now.HashHolds("fresh", "f", "");
  now.Set("not done", "1");
  now.Once("always", "");
  now.HashHas("none", "");
  now.Set("not done", "1");
  const auto answers = RunAll(store, now);
  CHECK(KindsOf(answers) == "wwwdwwdwswws");
  for (const std::size_t yes : {1, 2, 4, 5}) CHECK(answers[yes].whole == 1);
  for (const std::size_t no : {7, 10}) CHECK(answers[no].whole == 0);
  for (const char* key : {"not done", "none", "fresh"}) {
    CHECK(Ask(store, [&](auto& b) { b.Delete(key); }).whole == 0);
  }

  // Another kind of value there, and a batch that is not atomic.
  CHECK(store.Set("text", "x").ok());
  for (const bool holds : {false, true}) {
    const auto ask = [&](StoreBatch& b) {
      b.Increment("n", 1);
      if (holds) {
        b.HashHolds("text", "f", "v");
      } else {
        b.HashHas("text", "f");
      }
    };
    StoreBatch wrong(Mode::kAtomic);
    ask(wrong);
    const Status status = store.Run(wrong).status();
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().find("text") != std::string::npos);
    StoreBatch pipelined;
    ask(pipelined);
    const auto apart = RunAll(store, pipelined);
    CHECK(KindsOf(apart) == "wF");
    CHECK(apart[1].status.code() == StatusCode::kInvalidArgument);
  }
  CHECK(TextAt(store, "n") == "2");
  if (!options.kinds_in_order) return;
  StoreBatch changed(Mode::kAtomic);
  changed.Delete("text");
  changed.HashHas("text", "f");
  changed.Set("text", "y");
  CHECK(KindsOf(RunAll(store, changed)) == "wws");
  CHECK(TextAt(store, "text") == "(none)");
}

}  // namespace rivulet
