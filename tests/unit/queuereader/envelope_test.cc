#include "queuereader/envelope.h"

#include <doctest/doctest.h>

#include <string>

using namespace std::chrono_literals;
using rivulet::DataText;
using rivulet::Envelope;
using rivulet::JsonDocument;
using rivulet::ReadEnvelope;
using rivulet::Retry;
using rivulet::Status;
using rivulet::WallTime;

namespace {

struct Read {
  explicit Read(std::string bytes) : text(std::move(bytes)) {
    REQUIRE(document.Parse(text).ok());
    status = ReadEnvelope(document.root(), &envelope);
  }
  std::string Write(const Retry& retry) const { return WriteEnvelope(text, envelope, retry); }

  std::string text;
  JsonDocument document;
  Envelope envelope;
  Status status;
};

WallTime At(double seconds) {
  return WallTime(std::chrono::milliseconds(static_cast<long>(seconds * 1000)));
}

}  // namespace

TEST_CASE("envelope: a message without data is fresh, and is the data itself") {
  for (const char* text : {R"({"a":1})", R"([1,2])", "7", R"("data")", "null", "{}"}) {
    CAPTURE(text);
    Read read(text);
    REQUIRE(read.status.ok());
    CHECK_FALSE(read.envelope.wrapped);
    CHECK(read.envelope.tries == 0);
    CHECK_FALSE(read.envelope.retry_on);
    CHECK_FALSE(read.envelope.names_tasks);
    CHECK(DataText(read.text, read.envelope) == text);
  }
}

TEST_CASE("envelope: all five fields are read") {
  Read read(R"({"data":{"a":1},"tries":2,"retry_on":1331923337.25,"started":1331923247,)"
            R"("tasks_left":["x","y"]})");
  REQUIRE(read.status.ok());
  CHECK(read.envelope.wrapped);
  CHECK(read.envelope.tries == 2);
  REQUIRE(read.envelope.retry_on);
  CHECK(*read.envelope.retry_on == At(1331923337.25));
  REQUIRE(read.envelope.started);
  CHECK(*read.envelope.started == At(1331923247));
  REQUIRE(read.envelope.tasks_left.size() == 2);
  CHECK(read.envelope.tasks_left[0] == "x");
  CHECK(read.envelope.tasks_left[1] == "y");
}

TEST_CASE("envelope: with data alone the rest has its first values") {
  Read read(R"({"data":null,"retry_on":null})");
  REQUIRE(read.status.ok());
  CHECK(read.envelope.wrapped);
  CHECK(read.envelope.tries == 0);
  CHECK_FALSE(read.envelope.retry_on);
  CHECK_FALSE(read.envelope.started);
  CHECK_FALSE(read.envelope.names_tasks);
}

TEST_CASE("envelope: a task named twice is left once") {
  Read read(R"({"data":1,"tasks_left":["x","x"]})");
  REQUIRE(read.status.ok());
  CHECK(read.envelope.tasks_left.size() == 1);
}

TEST_CASE("envelope: a field of a wrong type is refused by name") {
  struct Case {
    const char* text;
    const char* name;
  };
  for (const Case& c : {
           Case{R"({"data":1,"tries":"2"})", "tries"},
           Case{R"({"data":1,"tries":-1})", "tries"},
           Case{R"({"data":1,"tries":1.5})", "tries"},
           Case{R"({"data":1,"tries":99999999})", "tries"},
           Case{R"({"data":1,"retry_on":"soon"})", "retry_on"},
           Case{R"({"data":1,"retry_on":-5})", "retry_on"},
           Case{R"({"data":1,"retry_on":1e300})", "retry_on"},
           Case{R"({"data":1,"started":[]})", "started"},
           Case{R"({"data":1,"tasks_left":"x"})", "tasks_left"},
           Case{R"({"data":1,"tasks_left":[1]})", "tasks_left"},
       }) {
    CAPTURE(c.text);
    Read read(c.text);
    REQUIRE_FALSE(read.status.ok());
    CHECK(read.status.message().find(c.name) != std::string::npos);
  }
}

TEST_CASE("envelope: a fresh message is wrapped in the five fields, byte for byte") {
  Read read(" {\"a\": 1.0, \"b\":\"\\u00e9\\/\"}\n");
  Retry retry{1, At(1331923337), At(1331923247), {"x", "quo\"te"}};
  CHECK(read.Write(retry) ==
        R"({"data":{"a": 1.0, "b":"\u00e9\/"},"tries":1,"retry_on":1331923337,)"
        R"("started":1331923247,"tasks_left":["x","quo\"te"]})");
}

TEST_CASE("envelope: without a due time retry_on is null") {
  Read read("7");
  CHECK(read.Write({5, std::nullopt, At(12), {}}) ==
        R"({"data":7,"tries":5,"retry_on":null,"started":12,"tasks_left":[]})");
}

TEST_CASE("envelope: a due time is never written too early") {
  Read read("7");
  Retry retry{1, WallTime(1'500'000'001ns), At(1), {"x"}};
  CHECK(read.Write(retry).find("\"retry_on\":1.501,") != std::string::npos);
}

TEST_CASE("envelope: data keeps its bytes through any number of requeues, wherever it stands") {
  const std::string data = R"({"n": 123456789012345678901234567890, "s":"}],\"{[", "l":[1, [2]]})";
  for (const std::string& text : {
           "{\"data\":" + data + ",\"tries\":1}",
           "{\"tries\":1, \"data\" : " + data + " }",
           "{\"tasks_left\":[\"x\",\"data\"],\"data\":" + data + "}",
       }) {
    CAPTURE(text);
    Read first(text);
    REQUIRE(first.status.ok());
    CHECK(DataText(first.text, first.envelope) == data);
    Read second(first.Write({2, At(1), At(1), {"x"}}));
    REQUIRE(second.status.ok());
    CHECK(second.envelope.tries == 2);
    CHECK(DataText(second.text, second.envelope) == data);
  }
}

TEST_CASE("envelope: members that are not ours are kept") {
  Read read(R"({"from":"a,b","data":[1],"deep":{"x":[{}]}, "tries":3})");
  CHECK(read.Write({4, std::nullopt, At(9), {"x"}}) ==
        R"({"data":[1],"tries":4,"retry_on":null,"started":9,"tasks_left":["x"],)"
        R"("from":"a,b","deep":{"x":[{}]}})");
}

TEST_CASE("envelope: a data member whose name is written with an escape is found too") {
  Read read(R"({"d\u0061ta":{"a":1},"tries":1})");
  REQUIRE(read.envelope.wrapped);
  Read again(read.Write({2, std::nullopt, At(9), {"x"}}));
  CHECK(DataText(again.text, again.envelope) == R"({"a":1})");
}

TEST_CASE("envelope: of a data member that stands twice the first is the data, however written") {
  Read read(R"({"d\u0061ta":"first","data":"second"})");
  CHECK(DataText(read.text, read.envelope) == "\"first\"");
  Read again(read.Write({2, std::nullopt, At(9), {}}));
  CHECK(DataText(again.text, again.envelope) == "\"first\"");
}

TEST_CASE(
    "envelope: a member of ours whose name is written with an escape is not kept as foreign") {
  Read read(R"({"data":1,"tri\u0065s":3,"n\u00f6":4})");
  CHECK(read.envelope.tries == 3);
  CHECK(read.Write({4, std::nullopt, At(9), {}}) ==
        R"({"data":1,"tries":4,"retry_on":null,"started":9,"tasks_left":[],"n\u00f6":4})");
}

TEST_CASE("envelope: what the original writes is read") {
  // json.dumps of {'data': {'a': 1}, 'tries': 1, 'retry_on': time.time() + 90, 'started':
  // int(time.time()), 'tasks_left': ['task1']}; the key of a fresh one's retry_on is None.
  Read requeued(R"({"tasks_left": ["task1"], "retry_on": 1331923337.123456, "tries": 1, )"
                R"("data": {"a": 1}, "started": 1331923247})");
  REQUIRE(requeued.status.ok());
  CHECK(requeued.envelope.tries == 1);
  CHECK(requeued.envelope.retry_on == At(1331923337.123));
  CHECK(requeued.envelope.started == At(1331923247));
  CHECK(requeued.envelope.tasks_left == std::vector<std::string_view>{"task1"});
  CHECK(DataText(requeued.text, requeued.envelope) == "{\"a\": 1}");
  Read fresh(R"({"data": [], "tries": 0, "retry_on": null, "started": 1331923247, )"
             R"("tasks_left": ["task1", "task2"]})");
  REQUIRE(fresh.status.ok());
  CHECK_FALSE(fresh.envelope.retry_on);
  CHECK(DataText(fresh.text, fresh.envelope) == "[]");
}

TEST_CASE("envelope: an envelope within data is data") {
  const std::string inner = R"({"data":{"data":1},"tries":3,"tasks_left":[]})";
  Read read("{\"data\":" + inner + "}");
  CHECK(read.envelope.tries == 0);
  CHECK_FALSE(read.envelope.names_tasks);
  CHECK(DataText(read.text, read.envelope) == inner);
}

TEST_CASE("envelope: what is written can be read, also at the ends of what is allowed") {
  Read read(R"({"data":1,"tries":1000000,"retry_on":9000000000})");
  REQUIRE(read.status.ok());
  WallTime beyond = At(9'000'000'000) + std::chrono::hours(24);
  Read again(read.Write({1'000'001, beyond, At(9), {"x"}}));
  REQUIRE(again.status.ok());
  CHECK(again.envelope.tries == 1'000'000);
  CHECK(again.envelope.retry_on == At(9'000'000'000));
}
