#include "queuereader/report/summary.h"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

#include "base/json.h"

using namespace std::chrono_literals;
using rivulet::Context;
using rivulet::Incoming;
using rivulet::Message;
using rivulet::Outcome;
using rivulet::Reader;
using rivulet::ReaderTasks;
using rivulet::Summary;
using rivulet::SummaryJson;
using rivulet::SummaryText;
using rivulet::Task;

namespace {

class Shows final : public Task {
 public:
  Outcome Run(const Message&, Context&) override { return Outcome::Done(); }
  void Summarize(Summary& summary) const override {
    summary.Count("count", 1234);
    summary.Number("mean", 2.5);
    summary.Number("stddev", std::numeric_limits<double>::quiet_NaN());
    summary.Text("note", "a\"b\n");
    summary.Table("top", {"value", "count"});
    summary.Row({"US", std::uint64_t{10}});
    summary.Row({"München", std::uint64_t{3}});
  }
};

class Throws final : public Task {
 public:
  Outcome Run(const Message&, Context&) override { return Outcome::Done(); }
  void Summarize(Summary&) const override { throw std::runtime_error("lost it"); }
};

/// Fails for null, and counts.
class Fails final : public Task {
 public:
  Outcome Run(const Message& message, Context& context) override {
    context.Count("seen");
    context.Count("bytes", message.text().size());
    return message.text() == "null" ? Outcome::Failed("null") : Outcome::Done();
  }
};

struct Fixture {
  template <typename... Tasks>
  explicit Fixture(std::pair<const char*, Tasks*>... tasks) {
    ReaderTasks all;
    (all.all_tasks.push_back({tasks.first, std::unique_ptr<Task>(tasks.second)}), ...);
    reader = std::make_unique<Reader>(
        rivulet::ReaderConfig{.max_tries = 2, .requeue_delay = 0s, .backoff = {}}, std::move(all),
        rivulet::ReaderSurroundings{});
  }
  std::string Handle(std::string_view message) {
    std::vector<Incoming> incoming = {{message, {}, {}}};
    std::vector<rivulet::Verdict> verdicts;
    reader->Handle(incoming, rivulet::WallTime(1s), &verdicts);
    return verdicts.at(0).body;
  }

  std::unique_ptr<Reader> reader;
};

template <typename Type>
std::pair<const char*, Task*> Named(const char* name) {
  return {name, std::make_unique<Type>().release()};
}

}  // namespace

TEST_CASE("summary: a name that comes again is in the JSON once, with what came last") {
  struct Repeats final : Task {
    Outcome Run(const Message&, Context&) override { return Outcome::Done(); }
    void Summarize(Summary& summary) const override {
      summary.Row({"before any table"});
      summary.Count("n", 1);
      summary.Count("m", 2);
      summary.Count("n", 3);
      summary.Count("rows", 4);
      summary.Table("rows", {"a", "b", "a"});
      summary.Row({"1", "2", "3"});
    }
  };
  Fixture f(Named<Repeats>("repeats"));
  CHECK(rivulet::TaskSummaryJson(*f.reader, 0) ==
        R"({"m":2,"n":3,"rows":[{"b":"2","a":"3"}]})" + std::string("\n"));
}

TEST_CASE("summary: text is aligned for people") {
  Fixture f(Named<Shows>("shows"), Named<Throws>("throws"));
  for (int i = 0; i < 4; ++i) f.Handle("1");
  f.Handle("{");
  CHECK(SummaryText({"in", 2, 2s}, *f.reader) ==
        "5 messages from in in 2.000 s (2/s)\n"
        "finished 4, dropped 0, requeued 0, given up 0, malformed 1, left 2\n"
        "\n"
        "shows  done 4, failed 0\n"
        "  count   1234\n"
        "  mean     2.5\n"
        "  stddev     -\n"
        "  note    a\"b\\n\n"
        "  value    count\n"
        "  US          10\n"
        "  München      3\n"
        "\n"
        "throws  done 4, failed 0\n"
        "  error  lost it\n");
}

TEST_CASE("summary: text shows what was retried, given up and counted, where there is any") {
  Fixture f(Named<Fails>("fails"));
  f.Handle("12");
  f.Handle(f.Handle("null"));
  CHECK(SummaryText({"in", 0, 1s}, *f.reader) ==
        "3 messages from in in 1.000 s (3/s)\n"
        "finished 1, dropped 0, requeued 1, given up 1, malformed 0\n"
        "\n"
        "fails  done 1, failed 2, retried 1, given up 1\n"
        "  seen    3\n"
        "  bytes  10\n");
}

TEST_CASE("summary: the rate is of this run, the count goes on from the runs before") {
  Fixture f(Named<Fails>("fails"));
  for (int i = 0; i < 6; ++i) f.Handle("12");
  CHECK(
      SummaryText({"in", 0, 2s, 4}, *f.reader).starts_with("6 messages from in in 2.000 s (1/s)"));
  const std::string text = SummaryJson({"in", 0, 2s, 4}, *f.reader);
  CHECK(text.find(R"("messages":6,)") != std::string::npos);
  CHECK(text.find(R"("messages_per_second":1,)") != std::string::npos);
}

TEST_CASE("summary: JSON is one document with every count") {
  Fixture f(Named<Shows>("shows"), Named<Throws>("throws"));
  f.Handle("1");
  CHECK(SummaryJson({"in", 0, 2s}, *f.reader) ==
        R"({"source":"in","messages":1,"finished":1,"dropped":0,"requeued":0,"given_up":0,)"
        R"("malformed":0,"left":0,"seconds":2.000000,"messages_per_second":0,"tasks":[)"
        R"({"name":"shows","done":1,"failed":0,"retried":0,"given_up":0,"counters":{},)"
        R"("summary":{"count":1234,"mean":2.5,"stddev":null,"note":"a\"b\n",)"
        R"("top":[{"value":"US","count":10},{"value":"München","count":3}]}},)"
        R"({"name":"throws","done":1,"failed":0,"retried":0,"given_up":0,"counters":{},)"
        R"("summary":{"error":"lost it"}}]})"
        "\n");
}

TEST_CASE("summary: JSON has what was retried, given up and counted by task") {
  Fixture f(Named<Fails>("fails"));
  f.Handle(f.Handle("null"));
  const std::string text = SummaryJson({"in", 0, 1s}, *f.reader);
  CHECK(rivulet::JsonDocument().Parse(text).ok());
  CHECK(text.find(R"("tasks":[{"name":"fails","done":0,"failed":2,"retried":1,"given_up":1,)"
                  R"("counters":{"seen":2,"bytes":8},"summary":{}}])") != std::string::npos);
}
