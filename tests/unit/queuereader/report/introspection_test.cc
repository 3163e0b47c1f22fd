#include "queuereader/report/introspection.h"

#include <doctest/doctest.h>

#include <deque>
#include <stdexcept>

#include "base/json.h"
#include "http/client.h"
#include "tests/unit/http/loop_client.h"

namespace rivulet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const char* const kOddName = "./a task.so:x=1,y=/2";

class ShownTask final : public Task {
 public:
  Outcome Run(const Message& message, Context& context) override {
    context.Count("seen");
    if (message.text() == "13") return Outcome::Failed("unlucky");
    return Outcome::Done();
  }
  void Summarize(Summary& summary) const override { summary.Count("answer", 42); }
  std::vector<std::string> views() const override { return {"svg", "html"}; }
  std::optional<View> Show(std::string_view view) const override {
    if (view == "svg") return View{"image/svg+xml", "<svg/>"};
    if (view == "html") return View{"text/html\r\nX-Injected: 1", "<p>"};
    if (view == "throws") throw std::runtime_error("no\nview");
    return std::nullopt;
  }
};

class QuietSource final : public Source {
 public:
  void Listen(Events) override {}
  void Fetch() override {}
  bool CancelFetch() override { return true; }
  void Settle(std::vector<Settlement>) override {}
  void Touch(std::uint32_t, std::vector<std::string>,
             std::function<void(const rivulet::Status&)>) override {}
  void AskDrained(std::function<void(bool)>) override {}
  bool leases() const override { return true; }
  Duration lease() const override { return seconds(30); }
  bool keeps_requeued() const override { return true; }
  std::size_t unsettled() const override { return 0; }
  std::vector<std::string> Abandon() override { return {}; }
  std::string origin_name(std::uint32_t) const override { return "o"; }
  std::size_t origins() const override { return 1; }
  std::string Save() const override { return {}; }
  Status Load(std::string_view) override { return {}; }
  std::string name() const override { return "http://h queue \"clicks\""; }
};

// A runner that looks when it is told to.
struct Fixture {
  EventLoop loop;
  FakeClock clock;
  Client client{loop};
  QuietSource source;
  RunnerStats stats;
  std::unique_ptr<Reader> reader;
  bool works = true;  // a look comes to be
  std::deque<std::function<void()>> waiting;
  std::unique_ptr<Introspection> introspection;

  Fixture() {
    ReaderTasks tasks;
    tasks.all_tasks.push_back({"shown", std::make_unique<ShownTask>()});
    tasks.all_tasks.push_back({kOddName, std::make_unique<ShownTask>()});
    ReaderSurroundings surroundings;
    surroundings.clock = &clock;
    reader = std::make_unique<Reader>(ReaderConfig{}, std::move(tasks), std::move(surroundings));
    stats.state = "running";
    stats.reader = reader->Stats();
    IntrospectionSubject subject;
    subject.stats = [this] { return stats; };
    subject.inspect = [this](auto look, auto done) {
      waiting.push_back([this, look, done] {
        look(*reader);
        done();
      });
      if (works) loop.Post([this] { LookNow(); });
    };
    subject.source = &source;
    subject.patience = milliseconds(20);
    StatusServerOptions values;
    values.http_address = "0";
    auto opened = Introspection::Open(loop, clock, "my_reader", values, std::move(subject));
    REQUIRE(opened.ok());
    introspection = std::move(*opened);
  }
  void LookNow() {
    while (!waiting.empty()) {
      const auto look = std::move(waiting.front());
      waiting.pop_front();
      look();
    }
  }
  void Run(const std::string& message) {
    std::vector<Verdict> verdicts;
    const Incoming incoming{message, {}, {}};
    reader->Handle({&incoming, 1}, clock.WallNow(), &verdicts);
    stats.reader = reader->Stats();
  }
  ClientResponse Get(const std::string& path, std::string method = "GET") {
    ClientRequest request;
    request.method = std::move(method);
    request.url = "http://" + introspection->bound() + path;
    request.timeout = seconds(20);  // a test that hangs ends
    return client.Fetch(std::move(request));
  }
};

TEST_CASE("introspection: a task's summary is its JSON; its other views are asked for by name") {
  Fixture f;
  const auto json = f.Get("/tasks/shown");
  CHECK(json.code == 200);
  CHECK(json.body == "{\"answer\":42}\n");
  CHECK(json.header("Content-Type") == "application/json");
  const auto text = f.Get("/tasks/shown?view=text");
  CHECK(text.body == "  answer  42\n");
  const auto svg = f.Get("/tasks/shown?view=svg");
  CHECK(svg.body == "<svg/>");
  CHECK(svg.header("Content-Type") == "image/svg+xml");
}

TEST_CASE("introspection: a task's own page can do nothing, and no field of its choice comes in") {
  Fixture f;
  const auto html = f.Get("/tasks/shown?view=html");
  CHECK(html.body == "<p>");
  CHECK(html.header("Content-Type") == "application/octet-stream");
  CHECK_FALSE(html.has_header("X-Injected"));
  CHECK(html.header("Content-Security-Policy") ==
        "default-src 'none'; style-src 'unsafe-inline'; sandbox");
  CHECK(html.header("X-Content-Type-Options") == "nosniff");
}

TEST_CASE("introspection: a name may hold slashes, colons, commas and spaces") {
  Fixture f;
  CHECK(f.Get("/tasks/.%2Fa%20task.so%3Ax%3D1%2Cy%3D%2F2?view=svg").body == "<svg/>");
  CHECK(f.Get("/tasks/./a%20task.so:x=1,y=/2").code == 200);
}

TEST_CASE("introspection: what is not there is said, with what is") {
  Fixture f;
  const auto task = f.Get("/tasks/other%0A");
  CHECK(task.code == 404);
  CHECK(task.body == std::string("no task other\\n: there are shown, ") + kOddName + "\n");
  const auto view = f.Get("/tasks/shown?view=pdf");
  CHECK(view.code == 404);
  CHECK(view.body == "task shown has no view pdf: it has json, text, svg, html\n");
  CHECK(f.Get("/tasks/shown?view=throws").code == 500);
  CHECK(f.Get("/tasks/").code == 404);
  CHECK(f.Get("/tasks?format=xml").code == 400);
}

TEST_CASE("introspection: HEAD gets the head alone, and the connection goes on") {
  Fixture f;
  LoopClient client(f.loop, f.introspection->bound());
  client.Send("HEAD /tasks/shown HTTP/1.1\r\nHost: h\r\n\r\n" + Get("/ping"));
  const std::string seen = client.ReadUntil("\r\n\r\nOK");
  CHECK(seen.find("Content-Length: 14\r\n") != std::string::npos);
  CHECK(seen.find("42") == std::string::npos);
}

TEST_CASE("introspection: a task that takes its time has the answer say so") {
  Fixture f;
  f.works = false;
  f.stats.current = CrashMark::Current{"shown", "http://h queue clicks message 7", {}};
  f.stats.busy = seconds(4);
  const auto answer = f.Get("/tasks/shown");
  CHECK(answer.code == 503);
  CHECK(answer.body ==
        "task shown has been at work for 4 s on http://h queue clicks message 7; ask again\n");
  CHECK(answer.header("Retry-After") == "1");
  f.LookNow();  // comes to nothing
  f.works = true;
  CHECK(f.Get("/tasks/shown").code == 200);
}

TEST_CASE("introspection: a client that has gone is not answered, and too many are not queued") {
  Fixture f;
  f.works = false;
  for (int i = 0; i < 20; ++i) {
    LoopClient client(f.loop, f.introspection->bound());
    client.Send(Get("/tasks/shown"));
    while (f.waiting.size() < static_cast<std::size_t>(std::min(i + 1, 16))) f.loop.RunOnce({});
    if (i >= 16) CHECK(client.ReadUntil("\r\n\r\n").find("HTTP/1.1 503") == 0);
  }
  CHECK(f.waiting.size() == 16);
  f.LookNow();
  f.works = true;
  CHECK(f.Get("/tasks/shown").code == 200);
  // What was asked may come to an end after it.
  f.works = false;
  LoopClient last(f.loop, f.introspection->bound());
  last.Send(Get("/tasks/shown"));
  while (f.waiting.empty()) f.loop.RunOnce({});
  f.introspection.reset();
  f.LookNow();
}

TEST_CASE("introspection: /tasks is a page, and the same as JSON with the views") {
  Fixture f;
  const auto page = f.Get("/tasks");
  CHECK(page.header("Content-Type").starts_with("text/html"));
  CHECK(page.header("Content-Security-Policy").find("script-src 'self'") != std::string::npos);
  CHECK(page.body.find("<title>my_reader tasks</title>") != std::string::npos);
  f.works = false;
  f.stats.busy = seconds(4);
  const auto early = f.Get("/tasks?format=json");  // and what a task shows is not known
  CHECK(early.code == 200);
  CHECK(early.body.find("\"views\":null") != std::string::npos);
  f.LookNow();
  for (int i = 0; i < 2; ++i) {
    JsonDocument document;
    REQUIRE(document.Parse(f.Get("/tasks?format=json").body).ok());
    const auto& task = (*FindMember(document.root(), "tasks"))[1];
    CHECK(JsonText(*FindMember(task, "name")) == kOddName);
    CHECK(FindMember(task, "views")->Size() == 4);
    CHECK(JsonText((*FindMember(task, "views"))[2]) == "svg");
  }
}

TEST_CASE("introspection: the counts are in text, JSON and metrics, by task and outcome") {
  Fixture f;
  for (const char* message : {"1", "13", "2", "{"}) f.Run(message);
  f.stats.ledger.in_hand = 5;
  f.stats.held = 3;
  f.clock.Advance(seconds(10));
  JsonDocument document;
  REQUIRE(document.Parse(f.Get("/stats?format=json").body).ok());
  const JsonValue& stats = document.root();
  const auto number = [&](const JsonValue& of, const char* name) {
    return JsonNumber(FindMember(of, name)).value_or(-1);
  };
  CHECK(number(stats, "messages") == 4);
  CHECK(number(stats, "finished") == 2);
  CHECK(number(stats, "requeued") == 1);
  CHECK(number(stats, "malformed") == 1);
  CHECK(number(stats, "in_hand") == 5);
  CHECK(number(stats, "seconds") == 10);
  CHECK(FindMember(stats, "checkpoint_age_seconds")->IsNull());
  CHECK(FindMember(stats, "current")->IsNull());
  CHECK(JsonText(*FindMember(stats, "source")) == "http://h queue \"clicks\"");
  const auto& task = (*FindMember(stats, "tasks"))[0];
  CHECK(number(task, "done") == 2);
  CHECK(number(task, "failed") == 1);
  CHECK(number(*FindMember(task, "counters"), "seen") == 3);
  const std::string text = f.Get("/stats").body;
  CHECK(text.find("\nmessages: 4\nfinished: 2\n") != std::string::npos);
  CHECK(text.find("\ntask: shown\n  done: 2\n  failed: 1\n") != std::string::npos);
  CHECK(text.find("\n  counter seen: 3\n") != std::string::npos);
  const std::string metrics = f.Get("/metrics").body;
  for (const char* line :
       {"rivulet_reader_messages_total{outcome=\"finished\"} 2",
        "rivulet_reader_task_runs_total{task=\"shown\",outcome=\"failed\"} 1",
        "rivulet_reader_task_counter_total{task=\"shown\",counter=\"seen\"} 3",
        "rivulet_reader_ledger_messages{state=\"in_hand\"} 5",
        "rivulet_reader_task_seconds_count{task=\"shown\"} 3", "rivulet_reader_held 3"}) {
    CAPTURE(line);
    CHECK(metrics.find("\n" + std::string(line) + "\n") != std::string::npos);
  }
}

TEST_CASE("introspection: /ping says in words why the reader is not well") {
  Fixture f;
  CHECK(f.Get("/ping").body == "OK");
  const auto trouble = [&] {
    const auto ping = f.Get("/ping");
    return std::to_string(ping.code) + " " + ping.body;
  };
  f.stats.current = CrashMark::Current{"shown", "", {}};
  f.stats.busy = seconds(60);
  CHECK(trouble() == "200 OK");
  f.stats.busy = seconds(75);
  CHECK(trouble() == "503 task shown has been at work for 1 min 15 s on a message\n");
  f.stats.checkpoint_status = {StatusCode::kIoError, "state/x: No space left on device"};
  CHECK(trouble() == "503 the last checkpoint failed: state/x: No space left on device\n");
  f.stats.source_status = {StatusCode::kUnavailable, "refused"};
  CHECK(trouble() == "503 the source cannot be asked: refused\n");
  CHECK(f.Get("/stats").body.find("health: the source cannot be asked: refused\n") !=
        std::string::npos);
}

}  // namespace
}  // namespace rivulet
