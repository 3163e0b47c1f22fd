#include "queuereader/source/queue_settler.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tests/unit/queuereader/source/scripted_queue.h"

using rivulet::EventLoop;
using rivulet::FakeClock;
using rivulet::Fate;
using rivulet::Settled;
using rivulet::Settlement;
using rivulet::test::Listening;
using rivulet::test::ScriptedQueue;
using rivulet::test::SettleAs;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Answer = ScriptedQueue::Answer;
using Asked = ScriptedQueue::Asked;
using Texts = std::vector<std::string>;

namespace {

std::string Receipt(int n) { return fmt::format("1-{}-7-9f02c1ab", n); }

// Answers as a queue in which only these receipts hold no longer.
std::optional<Answer> Hold(const Asked& asked, const std::set<std::string>& stale = {}) {
  const std::string verb = asked.target.starts_with("/finish")  ? "finished"
                           : asked.target.starts_with("/bury")  ? "buried"
                           : asked.target.starts_with("/touch") ? "touched"
                                                                : "requeued";
  std::string rest;
  std::size_t held = 0;
  std::string receipts = asked.body;
  const auto named = asked.target.find("receipt=");
  if (named != std::string::npos) receipts = asked.target.substr(named + 8) + "\n";
  while (!receipts.empty()) {
    const std::string line = receipts.substr(0, receipts.find('\n'));
    receipts.erase(0, line.size() + 1);
    stale.contains(line) ? rest += line + "\n" : (++held, rest);
  }
  return Answer{200, fmt::format("{} {}\n{}", verb, held, rest)};
}

std::vector<Settlement> Many(Fate fate, int count, const std::string& body = {}) {
  std::vector<Settlement> many(static_cast<std::size_t>(count));
  for (int n = 0; n < count; ++n) {
    many[static_cast<std::size_t>(n)] =
        SettleAs(fate, static_cast<std::uint64_t>(n), Receipt(n), body);
  }
  return many;
}

struct Settling {
  Settling() : queue(loop), reader(loop, clock, Config(queue)) {
    queue.answer = [](const Asked& asked) { return Hold(asked); };
  }
  static rivulet::QueueSourceConfig Config(const ScriptedQueue& its) {
    rivulet::QueueSourceConfig config;
    config.urls = {its.url()};
    config.failed_pause = milliseconds(2);
    return config;
  }

  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue;
  Listening reader;
};

}  // namespace

TEST_CASE("settling: finishes go together, and more gather while a request runs") {
  Settling test;
  test.queue.answer = [](const Asked&) { return std::nullopt; };
  test.reader.source->Settle(
      {SettleAs(Fate::kFinish, 1, Receipt(1)), SettleAs(Fate::kFinish, 2, Receipt(2))});
  CHECK(test.reader.source->unsettled() == 2);
  test.reader.RunUntil([&] { return test.queue.hung.size() == 1; });
  for (int n = 3; n <= 5; ++n) test.reader.source->Settle({SettleAs(Fate::kFinish, n, Receipt(n))});
  test.queue.answer = [](const Asked& asked) { return Hold(asked); };
  test.queue.hung[0].Send(200, "text/plain", "finished 2\n");
  test.reader.RunUntil([&] { return test.reader.source->unsettled() == 0; });
  REQUIRE(test.queue.targets() == Texts{"/finish?missed=why", "/finish?missed=why"});
  CHECK(test.queue.asked[0].body == Receipt(1) + "\n" + Receipt(2) + "\n");
  CHECK(test.queue.asked[1].body == Receipt(3) + "\n" + Receipt(4) + "\n" + Receipt(5) + "\n");
  CHECK(test.reader.settled.size() == 5);
}

TEST_CASE("settling: receipts that no longer hold are told as stale, the others as done") {
  Settling test;
  test.queue.answer = [](const Asked& asked) { return Hold(asked, {Receipt(2)}); };
  test.reader.SettleAll({SettleAs(Fate::kFinish, 1, Receipt(1)),
                         SettleAs(Fate::kFinish, 2, Receipt(2)),
                         SettleAs(Fate::kFinish, 3, Receipt(3))});
  CHECK(test.reader.settled == std::map<std::uint64_t, Settled>{
                                   {1, Settled::kDone}, {2, Settled::kStale}, {3, Settled::kDone}});
}

TEST_CASE("settling: a message that is gone is done with, one that may come again is stale") {
  Settling test;
  test.queue.answer = [](const Asked& asked) -> std::optional<Answer> {
    const std::string verb = asked.target.substr(1, asked.target.find('?') - 1);
    const std::string past = verb == "bury" ? "buried" : verb + (verb == "finish" ? "ed" : "d");
    // By number: 1x gone, 2x dead, 3x stale, 4x without a word, 5x held.
    std::string lines;
    for (const int tens : {10, 20, 30, 40}) {
      const std::string receipt = Receipt(tens + (verb == "finish" ? 1 : verb == "bury" ? 2 : 3));
      lines += receipt + (tens == 10 ? " gone" : tens == 20 ? " dead" : tens == 30 ? " stale" : "");
      lines += '\n';
    }
    return Answer{200, past + " 1\n" + lines};
  };
  std::vector<Settlement> all;
  for (const int tens : {10, 20, 30, 40, 50}) {
    for (const auto& [fate, unit] :
         {std::pair(Fate::kFinish, 1), {Fate::kBury, 2}, {Fate::kRequeue, 3}}) {
      all.push_back(SettleAs(fate, static_cast<std::uint64_t>(tens + unit), Receipt(tens + unit)));
    }
  }
  test.reader.SettleAll(std::move(all));
  CHECK(test.reader.settled == std::map<std::uint64_t, Settled>{{11, Settled::kGone},
                                                                {12, Settled::kGone},
                                                                {13, Settled::kGone},
                                                                {21, Settled::kStale},
                                                                {22, Settled::kDone},
                                                                {23, Settled::kStale},
                                                                {31, Settled::kStale},
                                                                {32, Settled::kStale},
                                                                {33, Settled::kStale},
                                                                {41, Settled::kStale},
                                                                {42, Settled::kStale},
                                                                {43, Settled::kStale},
                                                                {51, Settled::kDone},
                                                                {52, Settled::kDone},
                                                                {53, Settled::kDone}});
}

TEST_CASE("settling: thousands of receipts are several requests") {
  Settling test;
  test.reader.SettleAll(Many(Fate::kFinish, 12'000));
  CHECK(test.queue.asked.size() == 3);
  CHECK(test.reader.settled.size() == 12'000);
}

TEST_CASE("settling: each fate has its verb, its delay and its body") {
  Settling test;
  test.reader.SettleAll({
      SettleAs(Fate::kBury, 1, Receipt(1)),
      SettleAs(Fate::kReturn, 2, Receipt(2)),
      SettleAs(Fate::kRequeue, 3, Receipt(3), "", seconds(90)),
      SettleAs(Fate::kRequeue, 4, Receipt(4), "", milliseconds(90'000) - rivulet::Duration(1)),
      SettleAs(Fate::kRequeue, 5, Receipt(5), R"({"tries":2})", milliseconds(1500)),
      SettleAs(Fate::kRequeue, 6, Receipt(6), "now"),
  });
  std::map<std::string, std::string> asked;
  for (const auto& [target, body] : test.queue.asked) asked[target] = body;
  // A requeue that is due a moment before another goes with it: delays are whole milliseconds.
  CHECK(asked == std::map<std::string, std::string>{
                     {"/bury?missed=why", Receipt(1) + "\n"},
                     {"/requeue?missed=why", Receipt(2) + "\n"},
                     {"/requeue?missed=why&delay=90s", Receipt(3) + "\n" + Receipt(4) + "\n"},
                     {"/requeue?missed=why&delay=1500ms&receipt=" + Receipt(5), R"({"tries":2})"},
                     {"/requeue?missed=why&receipt=" + Receipt(6), "now"},
                 });
  CHECK(test.reader.settled.size() == 6);
}

TEST_CASE("settling: requeues with a body go at most eight at a time") {
  Settling test;
  test.queue.answer = [](const Asked&) { return std::nullopt; };
  test.reader.source->Settle(Many(Fate::kRequeue, 20, "body"));
  test.reader.RunUntil([&] { return test.queue.hung.size() == 8; });
  test.queue.answer = [](const Asked& asked) { return Hold(asked); };
  for (auto& hung : test.queue.hung) hung.Send(200, "text/plain", "requeued 1\n");
  test.reader.RunUntil([&] { return test.reader.source->unsettled() == 0; });
  CHECK(test.queue.asked.size() == 20);
}

TEST_CASE("settling: what is not answered well is sent again until it is") {
  Settling test;
  int tries = 0;
  test.queue.answer = [&](const Asked& asked) -> std::optional<Answer> {
    constexpr int kCodes[] = {503, 401, 403, 404, 429, 507, 302};
    if (tries < 7) return Answer{kCodes[tries++], "not now\n"};
    if (tries++ == 7) return Answer{200, "<html>welcome</html>"};
    return Hold(asked);
  };
  test.reader.SettleAll({SettleAs(Fate::kFinish, 1, Receipt(1))});
  CHECK(tries == 9);
  for (const Asked& asked : test.queue.asked) CHECK(asked.body == Receipt(1) + "\n");
  CHECK(test.reader.settled.at(1) == Settled::kDone);
}

TEST_CASE("settling: a queue that is away is awaited, and its stale receipts told then") {
  Settling test;
  test.queue.Close();
  test.reader.source->Settle(
      {SettleAs(Fate::kFinish, 1, Receipt(1)), SettleAs(Fate::kRequeue, 2, Receipt(2), "body")});
  for (int turn = 0; turn < 20; ++turn) test.loop.RunOnce(milliseconds(1));
  CHECK(test.reader.source->unsettled() == 2);
  CHECK(test.reader.settled.empty());
  test.queue.answer = [](const Asked& asked) { return Hold(asked, {Receipt(1), Receipt(2)}); };
  test.queue.Open();
  test.reader.RunUntil([&] { return test.reader.source->unsettled() == 0; });
  CHECK(test.reader.settled ==
        std::map<std::uint64_t, Settled>{{1, Settled::kStale}, {2, Settled::kStale}});
}

TEST_CASE("settling: a body that the queue will never take is the caller's again") {
  Settling test;
  test.queue.answer = [](const Asked&) -> std::optional<Answer> {
    return Answer{413, "the body must be at most 1MiB\n"};
  };
  test.reader.SettleAll({SettleAs(Fate::kRequeue, 1, Receipt(1), "a large body")});
  CHECK(test.reader.settled.at(1) == Settled::kRefused);
  REQUIRE(test.reader.whys.size() == 1);
  CHECK(test.reader.whys[0].ends_with("answered 413: the body must be at most 1MiB"));
}

TEST_CASE("settling: one receipt that the queue does not know as one holds up no other") {
  Settling test;
  test.queue.answer = [](const Asked& asked) -> std::optional<Answer> {
    if (asked.body.find("bad") != std::string::npos) return Answer{400, "bad: must be a receipt\n"};
    return Hold(asked);
  };
  std::vector<Settlement> some = Many(Fate::kFinish, 7);
  some[5].receipt = "bad";
  test.reader.SettleAll(std::move(some));
  CHECK(test.reader.settled.size() == 7);
  for (const auto& [token, how] : test.reader.settled) {
    CHECK(how == (token == 5 ? Settled::kStale : Settled::kDone));
  }
}

TEST_CASE("settling: a touch prolongs, and tells the leases that are lost") {
  Settling test;
  test.queue.answer = [](const Asked& asked) { return Hold(asked, {Receipt(2)}); };
  std::optional<rivulet::Status> answered;
  test.reader.source->Touch(0, {Receipt(1), Receipt(2)}, [&](const auto& s) { answered = s; });
  test.reader.RunUntil([&] { return answered.has_value(); });
  CHECK(answered->ok());
  CHECK(test.queue.targets() == Texts{"/touch?lease=30s"});
  CHECK(test.reader.lost == std::vector<std::pair<std::uint32_t, std::string>>{{0, Receipt(2)}});
  CHECK(test.reader.doubted == 0);

  test.queue.answer = [](const Asked&) { return Answer{503, "not now\n"}; };
  answered.reset();
  test.reader.source->Touch(0, {Receipt(1)}, [&](const auto& s) { answered = s; });
  test.reader.RunUntil([&] { return answered.has_value(); });
  CHECK_FALSE(answered->ok());
  // It is there, and knows its leases.
  CHECK(test.reader.doubted == 0);
}

TEST_CASE("settling: a request that breaks off makes the leases doubted") {
  Settling test;
  test.queue.Close();
  std::optional<rivulet::Status> answered;
  test.reader.source->Touch(0, {Receipt(1)}, [&](const auto& s) { answered = s; });
  test.reader.RunUntil([&] { return answered.has_value(); });
  CHECK_FALSE(answered->ok());
  CHECK(test.reader.doubted == 1);
  test.reader.source->Settle({SettleAs(Fate::kFinish, 1, Receipt(1))});
  test.reader.RunUntil([&] { return test.reader.doubted == 2; });
  CHECK(test.reader.Fetch().state == rivulet::Batch::State::kFailed);
  CHECK(test.reader.doubted > 2);
}

TEST_CASE("settling: a requeue that a full queue has no room for goes back as it was") {
  Settling test;
  int full = 0;
  test.queue.answer = [&](const Asked& asked) -> std::optional<Answer> {
    if (asked.target.find("receipt=") == std::string::npos) return Hold(asked, {Receipt(3)});
    return ++full, Answer{503, "queue default is full\n"};
  };
  test.reader.SettleAll({SettleAs(Fate::kRequeue, 1, Receipt(1), "longer", seconds(90))});
  CHECK(full == 5);
  CHECK(test.queue.asked.back().target == "/requeue?missed=why&delay=90s");
  CHECK(test.queue.asked.back().body == Receipt(1) + "\n");
  CHECK(test.reader.settled.at(1) == Settled::kAsItWas);
  CHECK(test.reader.source->settling_status().message().ends_with("503: queue default is full"));
  // The next ones at once; one that is stale is somebody else's.
  test.reader.SettleAll({SettleAs(Fate::kRequeue, 2, Receipt(2), "longer"),
                         SettleAs(Fate::kRequeue, 3, Receipt(3), "longer")});
  CHECK(full == 7);
  CHECK(test.reader.settled.at(2) == Settled::kAsItWas);
  CHECK(test.reader.settled.at(3) == Settled::kStale);
  CHECK_FALSE(test.reader.source->settling_status().ok());
  // A finish makes room.
  test.reader.SettleAll({SettleAs(Fate::kFinish, 4, Receipt(4))});
  CHECK(test.reader.source->settling_status().ok());
  test.queue.answer = [](const Asked& asked) { return Hold(asked); };
  test.reader.SettleAll({SettleAs(Fate::kRequeue, 5, Receipt(5), "longer")});
  CHECK(test.reader.settled.at(5) == Settled::kDone);
}

TEST_CASE("settling: what is abandoned is not told any more") {
  Settling test;
  test.queue.answer = [](const Asked&) { return std::nullopt; };
  test.reader.source->Settle(
      {SettleAs(Fate::kFinish, 1, Receipt(1)), SettleAs(Fate::kRequeue, 2, Receipt(2), "leased"),
       SettleAs(Fate::kRequeue, 3, "", "not leased"), SettleAs(Fate::kFinish, 4, "")});
  test.reader.RunUntil([&] { return test.queue.hung.size() == 3; });
  CHECK(test.reader.settled.size() == 1);
  // A leased message is still at its queue.
  CHECK(test.reader.source->Abandon() == Texts{"not leased"});
  CHECK(test.reader.source->unsettled() == 0);
  for (auto& hung : test.queue.hung) hung.Send(200, "text/plain", "finished 1\n");
  for (int turn = 0; turn < 5; ++turn) test.loop.RunOnce(milliseconds(1));
  CHECK(test.reader.settled.size() == 1);
}
