// Republishing between a scripted source and a topic that takes, refuses, or is full.
#include "pubsub/republish.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "tests/unit/bridge/scripted_source.h"

namespace rivulet {
namespace {

using test::kFramedHead;
using test::RunUntil;
using test::ScriptedSource;
using Bodies = std::vector<std::string>;

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    unlink((path + "/offset").c_str());
    unlink((path + "/key").c_str());
    rmdir(path.c_str());
  }
  std::string Write(const char* name, const std::string& content, mode_t mode = 0600) const {
    const std::string file = path + "/" + name;
    std::ofstream(file, std::ios::binary) << content;
    REQUIRE(chmod(file.c_str(), mode) == 0);
    return file;
  }
  std::string OffsetOf() const {
    std::ifstream file(path + "/offset");
    std::string line;
    std::getline(file, line);
    std::getline(file, line);
    return line.substr(0, line.find(' '));
  }
  std::string path = "/tmp/rivulet_republish_XXXXXX";
};

struct Bench {
  explicit Bench(RepublishOptions options = {}) {
    options.pubsub_urls = {server.url()};
    REQUIRE(CheckRepublishOptions(options).ok());
    auto config = MakeRepublishConfig(options, "", 1);
    REQUIRE(config.ok());
    config->source.backoff = {std::chrono::milliseconds(1), std::chrono::milliseconds(2)};
    auto made =
        Republisher::Make(std::move(config).value(), loop, clock, [this](std::string_view body) {
          if (answer.ok()) published.emplace_back(body);
          ++asked;
          return answer;
        });
    REQUIRE(made.ok());
    republisher = std::move(made).value();
  }

  EventLoop loop;
  SystemClock clock;
  ScriptedSource server{loop};
  Bodies published;
  Status answer;
  int asked = 0;
  std::unique_ptr<Republisher> republisher;
};

TEST_CASE("republisher: messages go through as they are, byte for byte") {
  Bench bench;
  bench.republisher->Start();
  auto source = bench.server.Accept();
  source.Head(std::string(kFramedHead) + "X-Offset: 3\r\n");
  source.Send(std::string("3 4\na\0\n\xff\n4 0\n\n5 9\n{ \"a\":1 }\n", 29));
  RunUntil(bench.loop, [&] { return bench.published.size() == 3; });
  CHECK(bench.published == Bodies{std::string("a\0\n\xff", 4), "", "{ \"a\":1 }"});
  CHECK(bench.republisher->connected());
  const auto& counts = bench.republisher->counts();
  CHECK(counts.received == 3);
  CHECK(counts.republished == 3);
  CHECK(counts.changed == 0);
}

TEST_CASE("republisher: drops and changes are counted by reason") {
  RepublishOptions options;
  options.expected_key = "type";
  options.expected_value_regex = "^(a|b)$";
  options.blacklist_fields = "secret";
  Bench bench(options);
  bench.republisher->Start();
  auto source = bench.server.Accept();
  source.Head("Content-Type: application/json\r\n");
  source.Send(
      "\r\n{\"type\":\"a\"}\n{\"type\":\"b\",\"secret\":1}\n{\"type\":\"c\"}\nno json\n[]\n");
  RunUntil(bench.loop, [&] { return bench.republisher->counts().received == 5; });
  CHECK(bench.published == Bodies{"{\"type\":\"a\"}", "{\"type\":\"b\"}"});
  const auto& counts = bench.republisher->counts();
  CHECK(counts.republished == 2);
  CHECK(counts.changed == 1);
  CHECK(counts.dropped_unexpected == 1);
  CHECK(counts.dropped_not_json == 2);

  JsonDocument stats;
  REQUIRE(stats.Parse(bench.republisher->StatsJson()).ok());
  CHECK(JsonNumber(FindMember(stats.root(), "received")) == 5);
  CHECK(JsonNumber(FindMember(stats.root(), "dropped_not_json")) == 2);
  CHECK(FindMember(stats.root(), "connected")->IsTrue());
  MetricRegistry metrics;
  bench.republisher->AddMetrics(&metrics);
  std::string text;
  metrics.Write(&text);
  CHECK(text.find("rivulet_pubsub_republish_dropped_total{reason=\"not_json\"} 2\n") !=
        std::string::npos);
  CHECK(text.find("rivulet_pubsub_republish_connected 1\n") != std::string::npos);
}

TEST_CASE(
    "republisher: what is refused for now is tried again in order, the source waits meanwhile") {
  Bench bench;
  bench.republisher->Start();
  auto source = bench.server.Accept();
  source.Head(kFramedHead);
  bench.answer = {StatusCode::kExhausted, "the disk is full"};
  source.Send("0 1\na\n1 1\nb\n2 1\nc\n");
  RunUntil(bench.loop, [&] { return bench.republisher->counts().received == 3; });
  CHECK(bench.republisher->waiting());
  // Only the first is tried.
  RunUntil(bench.loop, [&] { return bench.asked > 2; });
  source.Send("3 1\nd\n");
  for (int i = 0; i < 20; ++i) bench.loop.RunOnce(std::chrono::milliseconds(1));
  CHECK(bench.republisher->counts().received == 3);
  CHECK(bench.published.empty());
  bench.answer = Status::Ok();
  RunUntil(bench.loop, [&] { return bench.published.size() == 4; });
  CHECK(bench.published == Bodies{"a", "b", "c", "d"});
  CHECK_FALSE(bench.republisher->waiting());
  CHECK(bench.republisher->counts().republished == 4);
}

TEST_CASE("republisher: what is refused for good is dropped and counted") {
  Bench bench;
  bench.republisher->Start();
  auto source = bench.server.Accept();
  source.Head(kFramedHead);
  bench.answer = {StatusCode::kTooLarge, "too large"};
  source.Send("0 1\na\n");
  RunUntil(bench.loop, [&] { return bench.republisher->counts().dropped_too_long == 1; });
  bench.answer = InvalidArgument("not wanted");
  source.Send("1 1\nb\n");
  RunUntil(bench.loop, [&] { return bench.republisher->counts().dropped_refused == 1; });
  bench.answer = Status::Ok();
  source.Send("2 1\nc\n");
  RunUntil(bench.loop, [&] { return bench.published.size() == 1; });
  CHECK(bench.published == Bodies{"c"});
}

TEST_CASE("republisher: goes on after a restart behind what was published") {
  Folder folder;
  RepublishOptions options;
  options.offset_file = folder.path + "/offset";
  Bench bench(options);
  bench.republisher->Start();
  {
    auto source = bench.server.Accept();
    CHECK(source.target().ends_with("since=now"));
    source.Head(std::string(kFramedHead) + "X-Offset: 100\r\n");
    source.Send("100 1\na\n");
    RunUntil(bench.loop, [&] { return bench.published.size() == 1; });
    // Received, but not taken: it comes again.
    bench.answer = {StatusCode::kExhausted, "full"};
    source.Send("101 1\nb\n");
    RunUntil(bench.loop, [&] { return bench.republisher->waiting(); });
    bench.republisher->Stop();
  }
  CHECK(folder.OffsetOf() == "101");
  options.pubsub_urls = {bench.server.url()};
  auto config = MakeRepublishConfig(options, "/nowhere", 1);
  auto again = Republisher::Make(std::move(config).value(), bench.loop, bench.clock,
                                 [](std::string_view) { return Status::Ok(); });
  REQUIRE(again.ok());
  (*again)->Start();
  CHECK(bench.server.Accept().target().ends_with("since=101"));
}

TEST_CASE("republisher: with a log the offset file says only what is committed") {
  Folder folder;
  RepublishOptions options;
  options.offset_file = folder.path + "/offset";
  Bench bench(options);
  std::uint64_t commit = 1;
  bench.republisher->SetLog([&] { return commit; });
  bench.republisher->Start();
  auto source = bench.server.Accept();
  source.Head(std::string(kFramedHead) + "X-Offset: 10\r\n");
  source.Send("10 1\na\n11 1\nb\n");
  RunUntil(bench.loop, [&] { return bench.published.size() == 2; });
  commit = 2;
  source.Send("12 1\nc\n");
  RunUntil(bench.loop, [&] { return bench.published.size() == 3; });
  SUBCASE("none") {
    bench.republisher->Stop();
    CHECK(folder.OffsetOf().empty());
  }
  SUBCASE("the first") {
    bench.republisher->OnCommitted(1);
    bench.republisher->Stop();
    CHECK(folder.OffsetOf() == "12");
    // The log was closed, and so the rest is safe.
    bench.republisher->OnCommitted(2);
    bench.republisher->Stop();
    CHECK(folder.OffsetOf() == "13");
  }
}

TEST_CASE("republisher: gaps of the source are counted") {
  Bench bench;
  bench.republisher->Start();
  auto source = bench.server.Accept();
  source.Head(std::string(kFramedHead) + "X-Offset: 40\r\nX-Gap: missed=25 next=40\r\n");
  source.Send("- 36\n{\"_gap_\":{\"missed\":3,\"next\":100000}}\n");
  RunUntil(bench.loop, [&] { return bench.republisher->counts().gaps == 2; });
  CHECK(bench.republisher->counts().missed == 28);
}

TEST_CASE("republish options: what must stand together is said") {
  struct Case {
    void (*change)(RepublishOptions* options);
    const char* said;
  };
  const std::vector<Case> cases = {
      {[](auto* o) { o->pubsub_urls.clear(), o->expected_key = "a"; },
       "--expected-key must come with --pubsub-url"},
      {[](auto* o) { o->encrypted_fields = "a"; },
       "--encrypted-fields must come with --hash-key-file"},
      {[](auto* o) { o->hash_key_file = "a"; },
       "--hash-key-file must come with --encrypted-fields"},
      {[](auto* o) { o->expected_value = "a"; }, "--expected-value must come with --expected-key"},
      {[](auto* o) { o->expected_value_regex = "a"; },
       "--expected-value-regex must come with --expected-key"},
      {[](auto* o) { o->expected_key = o->expected_value = o->expected_value_regex = "a"; },
       "must not be given together"},
      {[](auto* o) { o->expected_key = "a", o->expected_value_regex = "("; },
       "--expected-value-regex=( must be"},
  };
  for (const auto& c : cases) {
    RepublishOptions options;
    options.pubsub_urls = {"http://127.0.0.1:1"};
    CHECK(CheckRepublishOptions(options).ok());
    c.change(&options);
    CAPTURE(c.said);
    CHECK(CheckRepublishOptions(options).message().find(c.said) != std::string::npos);
  }
  CHECK(CheckRepublishOptions(RepublishOptions()).ok());
}

TEST_CASE("republish options: the hash key must be a secret, and long enough to be one") {
  Folder folder;
  RepublishOptions options;
  options.pubsub_urls = {"http://127.0.0.1:1"};
  options.encrypted_fields = "a";
  options.hash_key_file = folder.Write("key", "0123456789abcdef\n", 0644);
  CHECK(MakeRepublishConfig(options, "", 1).status().message().find("must not be readable") !=
        std::string::npos);
  folder.Write("key", "0123456789abcde\n");
  CHECK(MakeRepublishConfig(options, "", 1).status().message().find("at least 16") !=
        std::string::npos);
  folder.Write("key", "0123456789abcdef\nmore\n");
  const auto config = MakeRepublishConfig(options, "/data", 1);
  REQUIRE(config.ok());
  CHECK(config->transform.hash_key == "0123456789abcdef");
  CHECK(config->offset_file == "/data/source_offset");
}

}  // namespace
}  // namespace rivulet
