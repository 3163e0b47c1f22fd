#include "queuereader/source/queue_pop_source.h"

#include "tests/unit/queuereader/source/scripted_queue.h"

using rivulet::Batch;
using rivulet::EventLoop;
using rivulet::FakeClock;
using rivulet::Fate;
using rivulet::QueueSourceConfig;
using rivulet::Settled;
using rivulet::test::Bodies;
using rivulet::test::Listening;
using rivulet::test::ScriptedQueue;
using rivulet::test::SettleAs;
using std::chrono::milliseconds;
using Answer = ScriptedQueue::Answer;
using Asked = ScriptedQueue::Asked;
using Texts = std::vector<std::string>;

namespace {

QueueSourceConfig Config(const Texts& urls) {
  QueueSourceConfig config;
  config.urls = urls;
  config.mget_items = 5;
  config.lease = {};
  config.failed_pause = milliseconds(2);
  return config;
}

auto Always(int code, const std::string& text = {}) {
  return [=](const Asked&) -> std::optional<Answer> { return Answer{code, text}; };
}

auto AlwaysFramed(const std::string& text) {
  return [=](const Asked&) -> std::optional<Answer> { return Answer{200, text, "", "framed"}; };
}

}  // namespace

TEST_CASE("popped queue: messages are asked for framed, and lines are understood too") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  QueueSourceConfig config = Config({queue.url() + "/?token=t&lease=0"});
  config.queuename = "clicks";
  config.lease = std::chrono::seconds(30);  // the URL knows better
  Listening reader(loop, clock, config);
  queue.answer = AlwaysFramed("3\na\nb\n1\n7\n");
  Batch batch = reader.Fetch();
  CHECK(queue.targets() == Texts{"/mget?items=5&format=framed&queue=clicks&token=t"});
  CHECK(Bodies(batch) == Texts{"a\nb", "7"});
  CHECK(batch.messages[0].receipt_size == 0);
  queue.answer = Always(200, "{\"n\":1}\n{\"n\":2}");
  CHECK(Bodies(reader.Fetch()) == Texts{"{\"n\":1}", "{\"n\":2}"});
  // A line may be a bare number: only the header says what is framed.
  queue.answer = Always(200, "1\n7\n2");
  CHECK(Bodies(reader.Fetch()) == Texts{"1", "7", "2"});
  queue.answer = Always(200);
  CHECK(reader.Fetch().state == Batch::State::kEmpty);
}

TEST_CASE("popped queue: with items of nought messages are got one at a time") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  queue.answer = Always(200, "5\nhello\n");
  QueueSourceConfig config = Config({queue.url()});
  config.mget_items = 0;
  Listening reader(loop, clock, config);
  CHECK(Bodies(reader.Fetch()) == Texts{"5\nhello\n"});
  CHECK(queue.targets() == Texts{"/get"});
}

TEST_CASE("popped queue: the next one is read when one fails, and both when it is back") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue one(loop);
  ScriptedQueue two(loop);
  Listening reader(loop, clock, Config({one.url(), two.url()}));
  one.answer = Always(503);
  two.answer = AlwaysFramed("1\n2\n");
  const Batch batch = reader.Fetch();
  CHECK(Bodies(batch) == Texts{"2"});
  CHECK(batch.messages[0].origin == 1);
  one.answer = AlwaysFramed("1\n1\n");
  two.answer = Always(200);
  CHECK(reader.Fetch().state == Batch::State::kEmpty);  // the first one is left alone yet
  clock.Advance(milliseconds(2));
  CHECK(Bodies(reader.Fetch()) == Texts{"1"});
  one.Close();
  two.Close();
  CHECK(reader.Fetch().state == Batch::State::kFailed);
}

TEST_CASE(
    "popped queue: what is requeued or returned is put back in order, the rest is forgotten") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  queue.answer = Always(200);
  QueueSourceConfig config = Config({queue.url() + "?token=t"});
  Listening reader(loop, clock, config);
  reader.source->Settle({SettleAs(Fate::kRequeue, 1, "", "one"), SettleAs(Fate::kFinish, 2, ""),
                         SettleAs(Fate::kRequeue, 3, "", "two", rivulet::Duration(1)),
                         SettleAs(Fate::kReturn, 4, "", "three"), SettleAs(Fate::kBury, 5, "")});
  CHECK(reader.settled.empty());  // not from inside
  CHECK(reader.source->unsettled() == 5);
  reader.RunUntil([&] { return reader.source->unsettled() == 0; });
  CHECK(reader.settled.size() == 5);
  CHECK(queue.targets() == Texts{"/put?token=t", "/put?delay=1ms&token=t", "/put?token=t"});
  CHECK(queue.asked[0].body + queue.asked[1].body + queue.asked[2].body == "onetwothree");
}

TEST_CASE("popped queue: a message goes back to its own queue, or to the next where that fails") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue one(loop);
  ScriptedQueue two(loop);
  one.answer = two.answer = Always(503);
  Listening reader(loop, clock, Config({one.url(), two.url()}));
  auto back = SettleAs(Fate::kRequeue, 1, "", "body");
  back.origin = 1;
  reader.source->Settle({back});
  reader.RunUntil([&] { return !one.asked.empty(); });
  CHECK(two.asked.size() == 1);
  one.answer = Always(200);
  reader.RunUntil([&] { return reader.source->unsettled() == 0; });
  CHECK(reader.settled.at(1) == Settled::kDone);
  CHECK(two.asked.size() >= 2);
}

TEST_CASE(
    "popped queue: what a queue refuses for good is the caller's again; the next one goes on") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  queue.answer = [](const Asked& asked) -> std::optional<Answer> {
    return asked.body == "large" ? Answer{413, "too large\n"} : Answer{200};
  };
  Listening reader(loop, clock, Config({queue.url()}));
  reader.SettleAll(
      {SettleAs(Fate::kRequeue, 1, "", "large"), SettleAs(Fate::kRequeue, 2, "", "x")});
  CHECK(reader.settled ==
        std::map<std::uint64_t, Settled>{{1, Settled::kRefused}, {2, Settled::kDone}});
  REQUIRE(reader.whys.size() == 1);
  CHECK(reader.whys[0].ends_with("answered 413: too large"));
}

TEST_CASE("popped queue: a question that runs is not given up, and what waits is handed back") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  queue.answer = [](const Asked&) { return std::nullopt; };
  Listening reader(loop, clock, Config({queue.url()}));
  reader.source->Fetch();
  CHECK_FALSE(reader.source->CancelFetch());
  reader.source->Settle(
      {SettleAs(Fate::kRequeue, 1, "", "one"), SettleAs(Fate::kRequeue, 2, "", "two")});
  reader.RunUntil([&] { return queue.hung.size() == 2; });
  CHECK(reader.source->Abandon() == Texts{"one", "two"});
  CHECK(reader.source->unsettled() == 0);
  CHECK(reader.batches.empty());
}

TEST_CASE("popped queue: a checkpoint says that it is of queues, and one of files is refused") {
  EventLoop loop;
  FakeClock clock;
  ScriptedQueue queue(loop);
  const Listening reader(loop, clock, Config({queue.url()}));
  CHECK(reader.source->Load(reader.source->Save()).ok());
  CHECK(reader.source->Save() == "queues");
  CHECK(reader.source->Load("a place").message().starts_with("it is of a reader of files"));
}
