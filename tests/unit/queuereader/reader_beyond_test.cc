// A chunk that is read before the one before it has been run.
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queuereader/runner/slice.h"
#include "queuereader/task_unusable.h"
#include "tests/unit/queuereader/scripted_task.h"

using namespace rivulet;
using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

namespace {

/// Checks that what it is told is run in that order.
class Listener final : public Task {
 public:
  Outcome Run(const Message& message, Context&) override {
    ran.emplace_back(message.text());
    if (message.text() == "\"unusable\"") throw TaskUnusable("no such program");
    return message.text() == "false" ? Outcome::Failed("false") : Outcome::Done();
  }
  std::size_t batch_size() const override { return batch; }
  void Ahead(std::span<const Message* const> messages) override {
    for (const Message* message : messages) waiting.emplace_back(message, message->text());
    heard_at_run.resize(runs + 1);
    heard_at_run[runs] += messages.size();
  }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override {
    ++runs;
    for (const Message* message : messages) {
      if (waiting.empty()) break;
      CHECK(waiting.front().first == message);
      CHECK(waiting.front().second == message->text());
      waiting.erase(waiting.begin());
    }
    for (std::size_t i = 0; i < messages.size(); ++i) outcomes[i] = Run(*messages[i], context);
  }

  std::size_t batch = 100;
  std::vector<std::pair<const Message*, std::string>> waiting;
  std::vector<std::size_t> heard_at_run;  // how many, by how many runs there were before
  std::size_t runs = 0;
  Strings ran;
};

struct Fixture {
  explicit Fixture(bool looks_beyond = true) {
    auto task = std::make_unique<Listener>();
    listener = task.get();
    ReaderTasks tasks;
    tasks.all_tasks.push_back({"first", std::move(task), true, looks_beyond});
    reader = std::make_unique<Reader>(ReaderConfig{}, std::move(tasks),
                                      ReaderSurroundings{&clock, nullptr, {}, {}, {}});
  }
  void Handle(const Strings& texts, const Strings& next) {
    Offer(texts, &incoming);
    Offer(next, &incoming_next);
    reader->Handle(incoming, clock.WallNow(), clock.Now(), &verdicts, incoming_next);
  }
  static void Offer(const Strings& texts, std::vector<Incoming>* out) {
    out->clear();
    for (const std::string& text : texts) out->push_back({text, "", ""});
  }

  FakeClock clock;
  Listener* listener = nullptr;
  std::unique_ptr<Reader> reader;
  std::vector<Incoming> incoming;
  std::vector<Incoming> incoming_next;
  std::vector<Verdict> verdicts;
};

Strings Numbers(std::size_t from, std::size_t count) {
  Strings all;
  for (std::size_t i = from; i < from + count; ++i) all.push_back(std::to_string(i));
  return all;
}

Strings operator+(Strings one, const Strings& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

/// A batch as a source brings it.
std::shared_ptr<FetchedBatch> Fetched(const Strings& texts) {
  auto batch = std::make_shared<FetchedBatch>();
  for (const std::string& text : texts) {
    Delivery delivery;
    delivery.offset = batch->batch.bytes.size();
    delivery.size = text.size();
    batch->batch.bytes += text;
    batch->batch.messages.push_back(delivery);
  }
  return batch;
}

/// The remarks' items of a slice that ran these.
std::vector<std::size_t> RunSlice(
    Fixture* f, const Strings& texts, Slice* slice,
    std::function<bool()> stop = [] { return false; }) {
  SliceSurroundings surroundings;
  surroundings.reader = f->reader.get();
  surroundings.clock = &f->clock;
  surroundings.stop = std::move(stop);
  const auto batch = Fetched(texts);
  for (std::uint32_t i = 0; i < texts.size(); ++i) slice->Add(batch, i);
  slice->Run(surroundings);
  std::vector<std::size_t> items;
  for (const Slice::Remark& remark : slice->TakeRemarks()) items.push_back(remark.item);
  return items;
}

}  // namespace

TEST_CASE("reader: a task that looks beyond hears of the next chunk before the one in hand runs") {
  Fixture f;
  const Strings one = Numbers(0, 70);
  const Strings two = Numbers(70, 80);
  const Strings three = Numbers(150, 90);
  f.Handle(one, two);
  CHECK(f.listener->heard_at_run == std::vector<std::size_t>{150});
  CHECK(f.listener->ran == one);
  CHECK(f.reader->counts().messages == 70);
  f.Handle(two, three);
  CHECK(f.listener->heard_at_run == std::vector<std::size_t>{150, 90});
  CHECK(f.listener->ran == one + two);
  CHECK(f.verdicts.size() == 80);
  f.Handle(three, {});
  CHECK(f.listener->heard_at_run == std::vector<std::size_t>{150, 90});
  CHECK(f.listener->ran == one + two + three);
  CHECK(f.listener->waiting.empty());
  CHECK(f.reader->counts().messages == 240);
  CHECK(f.reader->counts().finished == 240);
}

TEST_CASE("reader: one that does not look beyond hears of its next run alone") {
  Fixture f(false);
  CHECK_FALSE(f.reader->looks_ahead());
  const Strings one = Numbers(0, 100);
  const Strings two = Numbers(100, 100);
  f.Handle(one, two);
  CHECK(f.listener->heard_at_run == std::vector<std::size_t>{100});
  f.Handle(two, {});
  CHECK(f.listener->heard_at_run == std::vector<std::size_t>{100, 100});
  CHECK(f.listener->ran == one + two);
}

TEST_CASE("reader: nothing of the next chunk is told before all of the one in hand") {
  Fixture f;
  f.listener->batch = 60;  // two runs, of which the second is not told before the first
  const Strings one = Numbers(0, 100);
  const Strings two = Numbers(100, 60);
  f.Handle(one, two);
  CHECK(f.listener->heard_at_run == std::vector<std::size_t>{60});
  f.Handle(two, {});
  CHECK(f.listener->ran == one + two);
}

TEST_CASE("reader: what was read before counts when it is handled, and is decided then") {
  Fixture f;
  Strings two = Numbers(0, 64);
  two[3] = "no JSON";
  two[5] = R"({"data":1,"tries":1,"started":1,"retry_on":1331923999,"tasks_left":["first"]})";
  two[7] = "false";
  f.Handle(Numbers(100, 64), two);
  CHECK(f.reader->counts().messages == 64);
  CHECK(f.reader->counts().malformed == 0);
  f.Handle(two, {});
  CHECK(f.verdicts[3].next == Verdict::Next::kMalformed);
  CHECK(f.verdicts[5].next == Verdict::Next::kHold);
  CHECK(f.verdicts[7].next == Verdict::Next::kRequeue);
  CHECK(f.reader->counts().messages == 127);
  CHECK(f.reader->counts().malformed == 1);
  CHECK(f.reader->counts().requeued == 1);
  CHECK(f.reader->counts().finished == 125);
}

TEST_CASE("reader: what was read before is as before where the reader cannot go on") {
  Fixture f;
  Strings one = Numbers(0, 64);
  one[2] = "\"unusable\"";
  const Strings two = Numbers(64, 64);
  f.Handle(one, two);
  CHECK_FALSE(f.reader->fatal().empty());
  CHECK(f.verdicts.empty());
  f.Handle(two, {});
  CHECK(f.verdicts.empty());
  CHECK(f.reader->counts().messages == 0);
  CHECK(f.listener->ran.size() == 3);
}

TEST_CASE("slice: what a task was told of is run before a pause, and nothing behind it") {
  Fixture f;
  Strings texts = Numbers(0, 500);
  texts[50] = "false";  // of the first chunk
  Slice slice;
  CHECK(RunSlice(&f, texts, &slice) == std::vector<std::size_t>{50});
  CHECK(slice.pause() > 0s);
  CHECK(slice.ran() == 200);
  CHECK(f.listener->ran.size() == 200);
  CHECK(f.listener->waiting.empty());
}

TEST_CASE("slice: what a task was told of is run before a stop") {
  Fixture f;
  Slice slice;
  bool stops = false;
  CHECK(RunSlice(&f, Numbers(0, 500), &slice, [&] { return std::exchange(stops, true); }).empty());
  CHECK(slice.ran() == 200);
  CHECK(f.listener->waiting.empty());
  slice.Clear();
  RunSlice(&f, Numbers(0, 500), &slice, [] { return true; });
  CHECK(slice.ran() == 0);
}

TEST_CASE("slice: all is run, in order, whatever the chunks are") {
  for (std::size_t count : {1U, 63U, 64U, 99U, 100U, 101U, 164U, 200U, 555U}) {
    Fixture f;
    Slice slice;
    CHECK(RunSlice(&f, Numbers(0, count), &slice).empty());
    CHECK(slice.ran() == count);
    CHECK(f.listener->ran == Numbers(0, count));
    CHECK(f.listener->waiting.empty());
  }
}

TEST_CASE("slice: a task that cannot go on leaves what it was told of as it was") {
  Fixture f;
  Strings texts = Numbers(0, 500);
  texts[150] = "\"unusable\"";
  Slice slice;
  CHECK(RunSlice(&f, texts, &slice).empty());
  CHECK(slice.ran() == 100);
  CHECK_FALSE(slice.fatal().empty());
  CHECK(f.reader->counts().messages == 100);
}
