#include "queuereader/summary.h"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

#include "base/json.h"

using namespace std::chrono_literals;
using rivulet::FakeClock;
using rivulet::Message;
using rivulet::NamedTask;
using rivulet::Outcome;
using rivulet::Reader;
using rivulet::Summary;
using rivulet::SummaryJson;
using rivulet::SummaryText;
using rivulet::Task;

namespace {

class Shows final : public Task {
 public:
  Outcome Run(const Message&) override { return Outcome::Done(); }
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
  Outcome Run(const Message&) override { return Outcome::Done(); }
  void Summarize(Summary&) const override { throw std::runtime_error("lost it"); }
};

std::vector<NamedTask> Tasks() {
  std::vector<NamedTask> tasks;
  tasks.push_back({"shows", std::make_unique<Shows>()});
  tasks.push_back({"throws", std::make_unique<Throws>()});
  return tasks;
}

}  // namespace

TEST_CASE("summary: text is aligned for people") {
  Reader reader({}, Tasks());
  FakeClock clock;
  for (int i = 0; i < 4; ++i) static_cast<void>(reader.Handle("1", clock.WallNow()));
  static_cast<void>(reader.Handle("{", clock.WallNow()));
  CHECK(SummaryText({"in", 2, 2s}, reader) ==
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

TEST_CASE("summary: JSON is one document with every count") {
  Reader reader({}, Tasks());
  FakeClock clock;
  static_cast<void>(reader.Handle("1", clock.WallNow()));
  CHECK(SummaryJson({"in", 0, 2s}, reader) ==
        "{\"source\":\"in\",\"messages\":1,\"finished\":1,\"dropped\":0,\"requeued\":0,"
        "\"given_up\":0,\"malformed\":0,\"left\":0,\"seconds\":2.000000,\"messages_per_second\":0,"
        "\"tasks\":[{\"name\":\"shows\",\"done\":1,\"failed\":0,\"summary\":{\"count\":1234,"
        "\"mean\":2.5,\"stddev\":null,\"note\":\"a\\\"b\\n\",\"top\":[{\"value\":\"US\",\"count\":"
        "10},"
        "{\"value\":\"München\",\"count\":3}]}},"
        "{\"name\":\"throws\",\"done\":1,\"failed\":0,\"summary\":{\"error\":\"lost it\"}}]}\n");
}
