#include "queuereader/outputs.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/unit/bridge/scripted_destination.h"

namespace rivulet {
namespace {

using test::RunUntil;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  std::string path = "/tmp/rivulet_outputs_XXXXXX";
};

// Takes bodies at /pub, /mput and /put; answers 200 unless told otherwise.
struct Sink {
  explicit Sink(EventLoop& loop) {
    for (const char* path : {"/pub", "/mput", "/put"}) {
      router.Add(kActs, path, [this, path](const Request& request, Reply& reply) {
        bodies[path].emplace_back(request.body());
        queries.emplace_back(request.query());
        authorization = request.Header("Authorization").value_or("");
        const int code = answer(std::string(request.body()));
        code < 400 ? reply.Text(code, "") : reply.Error(code, "because of the test");
      });
    }
    server = std::make_unique<Server>(loop, clock, ServerConfig{}, router, metrics);
    ListenAddress address;
    address.port = 0;
    REQUIRE(server->Listen(address).ok());
  }
  std::string url(const std::string& path) const { return "http://" + server->bound() + path; }

  SystemClock clock;
  MetricRegistry metrics;
  Router router{&metrics};
  std::unique_ptr<Server> server;
  std::map<std::string, std::vector<std::string>> bodies;
  std::vector<std::string> queries;
  std::string authorization;
  std::function<int(const std::string&)> answer = [](const std::string&) { return 200; };
};

struct Fixture {
  EventLoop loop;
  SystemClock clock;
  Sink sink{loop};
  Folder folder;
  int progress = 0;
  OutputOptions values;
  std::unique_ptr<Outputs> outputs;

  Status Open(std::vector<std::string> urls) {
    outputs.reset();
    values.outputs = std::move(urls);
    auto opened =
        Outputs::Open(loop, clock, values, folder / "failed/refused.jsonl", [this] { ++progress; });
    if (!opened.ok()) return opened.status();
    outputs = std::move(*opened);
    return {};
  }
  void RunUntilDelivered() {
    RunUntil(loop, [this] { return outputs->delivered() == outputs->emitted(); });
  }
};

TEST_CASE("outputs: a /pub and an /mput get lines, what else there is a request a message") {
  Fixture f;
  REQUIRE(f.Open({"alerts=" + f.sink.url("/pub?topic=a"), "work=" + f.sink.url("/mput"),
                  "one=" + f.sink.url("/put")})
              .ok());
  CHECK(f.outputs->names() == std::vector<std::string>{"alerts", "work", "one"});
  for (const char* message : {"1", "2", "3"}) {
    for (std::uint32_t output = 0; output < 3; ++output) f.outputs->Emit(output, message);
  }
  CHECK(f.outputs->emitted() == 9);
  CHECK(f.outputs->delivered() == 0);
  f.RunUntilDelivered();
  CHECK(f.sink.bodies["/pub"] == std::vector<std::string>{"1\n2\n3\n"});
  CHECK(f.sink.bodies["/mput"] == std::vector<std::string>{"1\n2\n3\n"});
  CHECK(f.sink.bodies["/put"] == std::vector<std::string>{"1", "2", "3"});
  CHECK(f.sink.queries[0] == "topic=a");
  CHECK(f.progress >= 3);
  const auto stats = f.outputs->stats();
  CHECK(stats[0].url == f.sink.url("/pub"));  // without the query
  for (const auto& one : stats) {
    CHECK(one.emitted == 3);
    CHECK(one.delivered == 3);
    CHECK(one.pending == 0);
  }
  CHECK(f.outputs->Save().empty());
}

TEST_CASE("outputs: what is delivered counts only once all before it is, whoever finishes first") {
  Fixture f;
  f.sink.answer = [](const std::string& body) { return body.find("slow") == 0 ? 503 : 200; };
  REQUIRE(f.Open({"a=" + f.sink.url("/put"), "b=" + f.sink.url("/mput")}).ok());
  f.outputs->Emit(1, "1");
  f.outputs->Emit(0, "slow 2");
  f.outputs->Emit(1, "3");
  f.outputs->Emit(0, "4");
  RunUntil(f.loop, [&] { return f.outputs->stats()[1].pending == 0; });
  CHECK(f.outputs->delivered() == 1);
  RunUntil(f.loop, [&] { return f.outputs->stats()[0].retries > 0; });
  CHECK(f.outputs->stats()[0].last_error.find("503") != std::string::npos);
  CHECK(f.outputs->delivered() == 1);
  f.sink.answer = [](const std::string& body) { return body == "4" ? 503 : 200; };
  f.outputs->Flush();  // and does not wait for the backoff
  RunUntil(f.loop, [&] { return f.outputs->stats()[0].pending == 1; });
  CHECK(f.outputs->delivered() == 3);
}

TEST_CASE("outputs: what is refused for good goes to the dead letters, and counts as delivered") {
  Fixture f;
  REQUIRE(f.Open({"a=" + f.sink.url("/mput")}).ok());
  CHECK_FALSE(std::filesystem::exists(f.folder / "failed"));
  f.sink.answer = [](const std::string& body) {
    return body.find("bad") != std::string::npos ? 400 : 200;
  };
  for (const char* message : {"good", "bad", "better"}) f.outputs->Emit(0, message);
  f.RunUntilDelivered();
  const auto stats = f.outputs->stats()[0];
  CHECK(stats.delivered == 2);
  CHECK(stats.refused == 1);
  CHECK(ReadAll(f.folder / "failed/refused.jsonl").find("\"message\":\"bad\"}\n") !=
        std::string::npos);
}

TEST_CASE("outputs: the token is sent, and not shown") {
  Fixture f;
  f.values.output_auth_token_file = f.folder / "token";
  std::ofstream(f.values.output_auth_token_file) << "s3cret\n";
  chmod(f.values.output_auth_token_file.c_str(), 0600);
  REQUIRE(f.Open({"a=" + f.sink.url("/put")}).ok());
  f.outputs->Emit(0, "x");
  f.RunUntilDelivered();
  CHECK(f.sink.authorization == "Bearer s3cret");
  CHECK(f.outputs->stats()[0].url == f.sink.url("/put"));
}

TEST_CASE("outputs: a file gets a line a message, behind what it holds") {
  Fixture f;
  const std::string path = f.folder / "out";
  std::ofstream(path) << "before\nhalf a li";  // as a crash leaves it
  REQUIRE(f.Open({"out=file:" + path}).ok());
  for (const char* message : {"one", "", "two\nlines", "x"}) f.outputs->Emit(0, message);
  f.RunUntilDelivered();
  CHECK(ReadAll(path) == "before\nhalf a li\none\n\ntwo lines\nx\n");
  CHECK(f.outputs->stats()[0].url == "file:" + path);
  CHECK(f.outputs->stats()[0].delivered == 4);
}

TEST_CASE("outputs: a pipe that nobody empties is waited for, and gets every line whole") {
  Fixture f;
  const std::string path = f.folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(f.Open({"out=file:" + path}).ok());
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string message = std::to_string(i) + std::string(999, 'm');
    f.outputs->Emit(0, message);
    expected += message + "\n";
  }
  for (int i = 0; i < 10; ++i) f.loop.RunOnce(std::chrono::milliseconds(1));
  const std::uint64_t taken = f.outputs->delivered();
  CHECK(taken < 300);  // a pipe holds 64 KiB
  CHECK(f.outputs->stats()[0].pending == 300 - taken);
  std::string seen;
  RunUntil(f.loop, [&] {
    char bytes[4096];
    const ssize_t got = read(reader, bytes, sizeof bytes);
    if (got > 0) seen.append(bytes, static_cast<std::size_t>(got));
    return seen.size() >= expected.size();
  });
  CHECK((seen == expected));
  CHECK(f.outputs->delivered() == 300);
  close(reader);
}

TEST_CASE("outputs: what is pending is saved, and sent again by the next process") {
  Fixture f;
  f.sink.answer = [](const std::string&) { return 503; };
  const std::vector<std::string> urls = {"a=" + f.sink.url("/put"), "b=" + f.sink.url("/mput"),
                                         "c=file:" + (f.folder / "c")};
  REQUIRE(f.Open(urls).ok());
  f.outputs->Emit(0, "1\n1");
  f.outputs->Emit(1, "2");
  f.outputs->Emit(2, "3");
  f.outputs->Emit(1, std::string("\0\xff", 2));
  f.outputs->Emit(0, "");
  RunUntil(f.loop, [&] { return f.outputs->stats()[2].pending == 0; });
  const std::string saved = f.outputs->Save();

  SUBCASE("and has nothing new") {
    f.sink.answer = [](const std::string&) { return 200; };
    f.sink.bodies.clear();
    REQUIRE(f.Open(urls).ok());
    REQUIRE(f.outputs->Load(saved).ok());
    CHECK(f.outputs->emitted() == 4);
    f.RunUntilDelivered();
    CHECK(f.sink.bodies["/put"] == std::vector<std::string>{"1\n1", ""});
    CHECK(f.sink.bodies["/mput"] == std::vector<std::string>{std::string("2\n\0\xff\n", 5)});
    CHECK(ReadAll(f.folder / "c") == "3\n");
  }
  SUBCASE("unless the output is gone: that is said, with its name") {
    REQUIRE(f.Open({urls[0]}).ok());
    const Status status = f.outputs->Load(saved);
    CHECK(status.code() == StatusCode::kNotFound);
    CHECK(status.message().find("--output=b=URL") != std::string::npos);
  }
  SUBCASE("unless it is damaged") {
    REQUIRE(f.Open(urls).ok());
    for (std::size_t size = 1; size < saved.size(); ++size) {
      CAPTURE(size);
      const Status status = f.outputs->Load(saved.substr(0, size));
      const bool whole_outputs = status.ok();  // cut between two
      if (!whole_outputs) CHECK(status.code() == StatusCode::kCorrupt);
    }
    CHECK(f.outputs->Load("else").code() == StatusCode::kCorrupt);
  }
}

TEST_CASE("outputs: full beyond 32 MiB that nobody takes, and room again when half is gone") {
  Fixture f;
  f.sink.answer = [](const std::string&) { return 503; };
  REQUIRE(f.Open({"a=" + f.sink.url("/put")}).ok());
  const std::string megabyte(1 << 20, 'm');
  for (int i = 0; i < 31; ++i) f.outputs->Emit(0, megabyte);
  CHECK_FALSE(f.outputs->full());
  f.outputs->Emit(0, megabyte);
  CHECK(f.outputs->full());
  CHECK_FALSE(f.outputs->has_room());
  f.sink.answer = [](const std::string&) { return 200; };
  RunUntil(f.loop, [&] { return f.outputs->has_room(); });
  CHECK(f.outputs->stats()[0].pending <= 16);
}

TEST_CASE("outputs: wrong ones are refused with the option, the value and what would be right") {
  Fixture f;
  const std::string long_name(65, 'n');
  for (const std::string& text :
       {std::string("x"), std::string("=http://h/put"), std::string("a b=http://h/put"),
        long_name + "=http://h/put", std::string("a=ftp://h/put"), std::string("a="),
        std::string("a=file:"), std::string("a=http://h:99999/put"),
        std::string("a=http:///put")}) {
    CAPTURE(text);
    const Status status = f.Open({text});
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().starts_with("--output=" + text + ": must be NAME="));
  }
  CHECK(f.Open({"a=file:" + (f.folder / "x"), "a=file:" + (f.folder / "y")})
            .message()
            .find("a is an output already") != std::string::npos);
  const Status missing = f.Open({"a=file:" + (f.folder / "no/such/file")});
  CHECK(missing.code() == StatusCode::kIoError);
  CHECK(missing.message().find("no/such/file") != std::string::npos);
}

TEST_CASE("outputs: the options are declared with their names") {
  OutputOptions values;
  Options options("x", "a test");
  AddOutputOptions(&options, &values);
  const std::vector<const char*> argv = {"x", "--output=a=http://h:1/pub", "--output=b=file:-",
                                         "--output-auth-token-file=/t"};
  CHECK_FALSE(options.Parse(static_cast<int>(argv.size()), argv.data()).has_value());
  CHECK(values.outputs == std::vector<std::string>{"a=http://h:1/pub", "b=file:-"});
  CHECK(values.output_auth_token_file == "/t");
}

TEST_CASE("outputs: of a line that a full disk took a part of nothing stays") {
  Fixture f;
  const std::string path = f.folder / "out";
  REQUIRE(f.Open({"o=file:" + path}).ok());
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit full{10, before.rlim_max};
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
  for (const char* message : {"one", "two", "three"}) f.outputs->Emit(0, message);
  RunUntil(f.loop, [&] { return f.outputs->stats()[0].retries > 0; });
  const std::string cut_back = ReadAll(path);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  signal(SIGXFSZ, handler);
  CHECK(cut_back == "one\ntwo\n");
  f.outputs->Flush();
  RunUntil(f.loop, [&] { return f.outputs->delivered() == 3; });
  CHECK(ReadAll(path) == "one\ntwo\nthree\n");
}

}  // namespace
}  // namespace rivulet
