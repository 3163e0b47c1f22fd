#include "queuereader/source/queue_lease_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/unit/queuereader/source/scripted_queue.h"

using rivulet::Batch;
using rivulet::EventLoop;
using rivulet::FakeClock;
using rivulet::QueueSourceConfig;
using rivulet::test::Bodies;
using rivulet::test::Listening;
using rivulet::test::ScriptedQueue;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Answer = ScriptedQueue::Answer;
using Asked = ScriptedQueue::Asked;
using Texts = std::vector<std::string>;

namespace {

constexpr const char* kOne = "1-42-7-9f02c1ab 3 5\nhello\n";

QueueSourceConfig Config(const Texts& urls) {
  QueueSourceConfig config;
  config.urls = urls;
  config.mget_items = 5;
  config.lease = seconds(8);
  config.failed_pause = milliseconds(2);
  return config;
}

// What a queue that leases answers: this once, and then nothing.
auto Once(std::string answer, std::string message_ids = "lasting") {
  return [answer = std::move(answer), ids = std::move(message_ids),
          given = false](const Asked&) mutable -> std::optional<Answer> {
    if (std::exchange(given, true)) return Answer{204, "", ids};
    return Answer{200, answer, ids};
  };
}

auto Always(int code, const std::string& text = {}, const std::string& message_ids = {}) {
  return [=](const Asked&) -> std::optional<Answer> { return Answer{code, text, message_ids}; };
}

}  // namespace

TEST_CASE("queue under leases: messages come with receipt, number and attempts") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  queue.answer = Once(kOne);
  QueueSourceConfig config = Config({queue.url() + "/?token=t"});
  config.queuename = "clicks";
  Listening reader(loop, clock, config);
  const auto asked_at = clock.Now();
  reader.source->Fetch();
  clock.Advance(seconds(1));
  reader.RunUntil([&] { return !reader.batches.empty(); });
  CHECK(queue.targets() == Texts{"/mget?items=5&lease=8s&format=framed&queue=clicks&token=t"});
  const Batch& batch = reader.batches.front();
  REQUIRE(batch.state == Batch::State::kMessages);
  CHECK(Bodies(batch) == Texts{"hello"});
  CHECK(batch.receipt(batch.messages[0]) == "1-42-7-9f02c1ab");
  CHECK(batch.messages[0].id == 42);
  CHECK(batch.messages[0].attempts == 3);
  CHECK(batch.incarnation == 0);
  // The lease began when the queue answered, which was later than this.
  CHECK(batch.leased_until == asked_at + seconds(8));
  CHECK(reader.source->origin_name(0) == queue.url() + " queue clicks");
  CHECK(reader.source->leases());
  CHECK(reader.source->lease() == seconds(8));
}

TEST_CASE("queue under leases: numbers that a restart forgets have an incarnation") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  Listening reader(loop, clock, Config({queue.url()}));
  queue.answer = Once(kOne, "of 9f02c1ab");
  CHECK(reader.Fetch().incarnation == 0x1'9f02'c1ab);
  queue.answer = Once(kOne, "");
  CHECK(reader.Fetch().incarnation == 0x1'9f02'c1ab);
}

TEST_CASE("queue under leases: receipts of another epoch say that the queue was restarted") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  Listening reader(loop, clock, Config({queue.url()}));
  queue.answer = Once(kOne);
  reader.Fetch();
  queue.answer = Once(kOne);
  reader.Fetch();
  CHECK(reader.doubted == 0);
  queue.answer = Once("1-42-7-00000001 3 5\nhello\n");
  reader.Fetch();
  CHECK(reader.doubted == 1);
}

TEST_CASE("queue under leases: one that is known to lease is waited for, a quarter of the lease") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  QueueSourceConfig config = Config({queue.url()});
  config.long_poll = seconds(5);
  Listening reader(loop, clock, config);
  queue.answer = [&](const Asked& asked) -> std::optional<Answer> {
    if (asked.target.find("&wait=2s") != std::string::npos) clock.Advance(seconds(2));
    return Answer{204};
  };
  CHECK(reader.Fetch().state == Batch::State::kEmpty);
  // Without waiting first, as long as it is not known; then until five seconds were over.
  const std::string base = "/mget?items=5&lease=8s&format=framed";
  const std::string wait = base + "&wait=2s";
  CHECK(queue.targets() == Texts{base, wait, wait, wait});
  queue.asked.clear();
  queue.answer = Once(kOne);
  CHECK(reader.Fetch().state == Batch::State::kMessages);
  CHECK(queue.targets() == Texts{wait});
}

TEST_CASE("queue under leases: one that does not wait is not asked again and again") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  queue.answer = Always(204);
  Listening reader(loop, clock, Config({queue.url()}));
  CHECK(reader.Fetch().state == Batch::State::kEmpty);
  CHECK(queue.asked.size() == 2);
  CHECK(reader.Fetch().state == Batch::State::kEmpty);
  CHECK(queue.asked.size() == 3);
}

TEST_CASE("queue under leases: of several all are asked, then one after the other is waited for") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue one(loop);
  ScriptedQueue two(loop);
  Listening reader(loop, clock, Config({one.url(), two.url()}));
  int polls = 0;
  const auto answer = [&](const Asked& asked) -> std::optional<Answer> {
    if (asked.target.find("&wait=1s") == std::string::npos) return Answer{204};
    clock.Advance(seconds(1));
    return ++polls < 3 ? Answer{204} : Answer{200, kOne, "lasting"};
  };
  one.answer = two.answer = answer;
  const Batch batch = reader.Fetch();
  CHECK(Bodies(batch) == Texts{"hello"});
  // Three rounds of questions, and a long poll behind each: now here, now there.
  const std::string ask = "/mget?items=5&lease=8s&format=framed";
  CHECK(std::ranges::count(one.targets(), ask) == 3);
  CHECK(std::ranges::count(two.targets(), ask) == 3);
  CHECK(one.asked.size() + two.asked.size() == 9);
  CHECK(std::max(one.asked.size(), two.asked.size()) == 5);
}

TEST_CASE("queue under leases: where one fails the next is read; where all fail it is told why") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue one(loop);
  ScriptedQueue two(loop);
  one.answer = Always(503, "the disk is full\nmore\n");
  two.answer = Once(kOne);
  Listening reader(loop, clock, Config({one.url(), two.url()}));
  Batch batch = reader.Fetch();
  CHECK(Bodies(batch) == Texts{"hello"});
  CHECK(batch.messages[0].origin == 1);

  two.Close();
  batch = reader.Fetch();
  CHECK(batch.state == Batch::State::kFailed);
  // The first one has been left alone since; when its time is over it is asked again.
  clock.Advance(milliseconds(2));
  batch = reader.Fetch();
  CHECK(batch.state == Batch::State::kFailed);
  one.answer = Once(kOne);
  clock.Advance(milliseconds(2));
  CHECK(Bodies(reader.Fetch()) == Texts{"hello"});
}

TEST_CASE("queue under leases: what the queue answers is in the failure") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  Listening reader(loop, clock, Config({queue.url()}));
  for (const int code : {400, 401, 403, 404, 503}) {
    queue.answer = Always(code, "lease: must be at most 10m (--max-lease)\nmore\n");
    const Batch batch = reader.Fetch();
    REQUIRE(batch.state == Batch::State::kFailed);
    CHECK(batch.status.message() ==
          fmt::format("GET {}/mget: answered {}: lease: must be at most 10m (--max-lease)",
                      queue.url(), code));
  }
}

TEST_CASE("queue under leases: a cancelled long poll is forgotten by the queue too") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  Listening reader(loop, clock, Config({queue.url()}));
  queue.answer = Once(kOne);
  reader.Fetch();
  queue.answer = [](const Asked&) { return std::nullopt; };
  reader.source->Fetch();
  reader.RunUntil([&] { return queue.hung.size() == 1; });
  CHECK(reader.source->CancelFetch());
  reader.RunUntil([&] { return !queue.hung[0].alive(); });
  CHECK(reader.batches.size() == 1);
  // And another one may be begun.
  queue.answer = Once(kOne);
  CHECK(Bodies(reader.Fetch()) == Texts{"hello"});
}

TEST_CASE("queue under leases: until a queue is known to lease, its answer is awaited") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  queue.answer = [](const Asked&) { return std::nullopt; };
  Listening reader(loop, clock, Config({queue.url()}));
  reader.source->Fetch();
  reader.RunUntil([&] { return queue.hung.size() == 1; });
  CHECK_FALSE(reader.source->CancelFetch());
  queue.hung[0].Send(200, "text/plain", "these have left the queue\n");
  reader.RunUntil([&] { return reader.batches.size() == 1; });
  CHECK(Bodies(reader.batches[0]) == Texts{"these have left the queue"});
}

TEST_CASE("queue under leases: a queue without leases is read as if popped, and never cancelled") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  queue.answer = [](const Asked& asked) -> std::optional<Answer> {
    if (asked.target.starts_with("/put")) return Answer{200};
    return Answer{200, "2\n{\"a\":2}\n"};
  };
  Listening reader(loop, clock, Config({queue.url()}));
  Batch batch = reader.Fetch();
  CHECK(Bodies(batch) == Texts{"2", "{\"a\":2}"});
  CHECK(batch.messages[0].receipt_size == 0);
  // What was not leased is put back, or forgotten.
  using rivulet::Fate;
  reader.SettleAll({rivulet::test::SettleAs(Fate::kFinish, 1, ""),
                    rivulet::test::SettleAs(Fate::kRequeue, 2, "", "again", milliseconds(1500))});
  CHECK(reader.settled == std::map<std::uint64_t, rivulet::Settled>{{1, rivulet::Settled::kDone},
                                                                    {2, rivulet::Settled::kDone}});
  CHECK(queue.asked.back().target == "/put?delay=1500ms");
  CHECK(queue.asked.back().body == "again");

  queue.answer = Always(200);
  batch = reader.Fetch();
  CHECK(batch.state == Batch::State::kEmpty);
  queue.answer = [](const Asked&) { return std::nullopt; };
  reader.source->Fetch();
  CHECK_FALSE(reader.source->CancelFetch());
}

TEST_CASE(
    "queue under leases: it is drained when nothing is ready, deferred or in flight anywhere") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue one(loop);
  ScriptedQueue two(loop);
  QueueSourceConfig config = Config({one.url(), two.url()});
  config.queuename = "q";
  Listening reader(loop, clock, config);
  const auto drained = [&] {
    std::optional<bool> answered;
    reader.source->AskDrained([&](bool yes) { answered = yes; });
    CHECK_FALSE(answered.has_value());
    reader.RunUntil([&] { return answered.has_value(); });
    return *answered;
  };
  const auto stats = [](int depth, int in_flight, int deferred) {
    return Always(200, fmt::format(R"({{"depth": {},"in_flight": {},"deferred": {},"dead": 3}})",
                                   depth, in_flight, deferred));
  };
  one.answer = two.answer = stats(0, 0, 0);
  CHECK(drained());
  CHECK(one.targets() == Texts{"/stats?format=json&queue=q"});
  for (const auto& busy : {stats(1, 0, 0), stats(0, 1, 0), stats(0, 0, 1)}) {
    two.answer = busy;
    CHECK_FALSE(drained());
  }
  two.answer = Always(200, R"({"puts": 4,"gets": 4,"depth": 0})");  // the original
  CHECK(drained());
  // One that has no such figures was empty when it was read; one that is not well says nothing.
  for (const auto& unknown : {Always(200, "puts:0"), Always(404), Always(200, "{}")}) {
    two.answer = unknown;
    CHECK(drained());
  }
  two.answer = Always(500);
  CHECK_FALSE(drained());
  two.Close();
  CHECK_FALSE(drained());
}

TEST_CASE("queue sources: a URL says where and for how long messages are leased") {
  EventLoop loop;
  FakeClock clock;
  const auto open = [&](const Texts& urls) {
    return rivulet::OpenQueueSource(loop, clock, Config(urls));
  };
  CHECK((*open({"http://h:1"}))->lease() == seconds(8));
  CHECK((*open({"http://h:1/?lease=10s&a=b"}))->lease() == seconds(10));
  CHECK_FALSE((*open({"http://h:1?lease=0", "http://h:2?lease=0s"}))->leases());
  CHECK((*open({"http://u:p@h:1/x/?token=t", "http://h:2"}))->name() ==
        "http://h:1/x, http://h:2 queue default");
  CHECK((*open({"http://h:1?queue=clicks"}))->origin_name(0) == "http://h:1 queue clicks");
  CHECK((*open({"http://h:1"}))->Load("").ok());
  CHECK_FALSE((*open({"http://h:1"}))->Load("a place in a file").ok());
  for (const std::string url :
       {"http://", "http:///put", "http://h:0x", "http://h:99999", "http://h#x", "http://h /",
        "ftp://h", "http://h?lease=soon", "http://h?lease="}) {
    CAPTURE(url);
    CHECK_FALSE(open({url}).ok());
  }
  CHECK(open({"http://h:1", "http://h:2?lease=0"}).status().message() ==
        "--source=http://h:2 with lease=0s: must be as of the sources before it, which have "
        "lease=8s");
  QueueSourceConfig named = Config({"http://h:1"});
  named.queuename = "a&b";
  CHECK_FALSE(rivulet::OpenQueueSource(loop, clock, named).ok());
}
