#include "http/status_server.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "http/client.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet {
namespace {

StatusServerOptions At(std::string address) {
  StatusServerOptions values;
  values.http_address = std::move(address);
  return values;
}

struct Fixture {
  FakeClock clock;
  EventLoop loop;
  Client client{loop};
  Status health;
  std::unique_ptr<StatusServer> server;

  explicit Fixture(StatusServerOptions values = At("0")) {
    StatusServer::Hooks hooks;
    hooks.health = [this] { return health; };
    hooks.stats_text = [] { return std::string("received 7\n"); };
    hooks.stats_json = [] { return std::string("{\"received\": 7}\n"); };
    hooks.write_metrics = [](std::string* out) { out->append("my_series 7\n"); };
    auto opened = StatusServer::Open(loop, clock, "ps_to_http", values, std::move(hooks));
    REQUIRE(opened.ok());
    server = std::move(opened).value();
  }

  ClientResponse Get(const std::string& path, std::vector<std::string> headers = {}) {
    ClientRequest request;
    request.url = "http://" + server->bound() + path;
    if (server->bound().starts_with("unix:")) {
      request.url = "http://localhost" + path;
      request.unix_socket = server->bound().substr(5);
    }
    request.headers = std::move(headers);
    request.timeout = std::chrono::seconds(20);  // a test that hangs ends
    return client.Fetch(std::move(request));
  }
};

// A file that only we can read, as tokens must be kept.
struct TokenFile {
  std::string path = "/tmp/rivulet_status_token_" + std::to_string(getpid());
  explicit TokenFile(const std::string& token) {
    std::ofstream(path) << token << "\n";
    chmod(path.c_str(), 0600);
  }
  ~TokenFile() { unlink(path.c_str()); }
};

TEST_CASE("status server: nothing is served that was not asked for") {
  FakeClock clock;
  EventLoop loop;
  const auto server = StatusServer::Open(loop, clock, "x", {}, {});
  REQUIRE(server.ok());
  CHECK(*server == nullptr);
}

TEST_CASE("status server: it answers by its hooks, and /ping with 503 and the trouble") {
  Fixture f;
  CHECK(f.server->bound().starts_with("127.0.0.1:"));
  CHECK(f.Get("/ping").body == "OK");
  const auto text = f.Get("/stats");
  CHECK(text.body == "received 7\n");
  CHECK(text.header("Content-Type").starts_with("text/plain"));
  const auto json = f.Get("/stats?format=json");
  CHECK(json.body == "{\"received\": 7}\n");
  CHECK(json.header("Content-Type") == "application/json");
  CHECK(f.Get("/stats?format=xml").code == 400);
  CHECK(f.Get("/put").code == 404);

  f.health = {StatusCode::kUnavailable, "the spool is full"};
  const auto ping = f.Get("/ping");
  CHECK(ping.code == 503);
  CHECK(ping.body == "the spool is full\n");
}

TEST_CASE("status server: /metrics has the registry, the program and what the hook writes") {
  Fixture f;
  f.server->metrics().AddCounter("ps_to_http_x_total", "Something.").Add(3);
  f.Get("/ping");
  const std::string metrics = f.Get("/metrics").body;
  for (const char* line :
       {"\nps_to_http_x_total 3\n", "\nmy_series 7\n", "\nrivulet_healthy 1\n",
        "program=\"ps_to_http\"", "\nrivulet_http_connections 1\n", "endpoint=\"/ping\""}) {
    CAPTURE(line);
    CHECK(metrics.find(line) != std::string::npos);
  }
}

TEST_CASE("status server: the page bears the program's name and asks for its stats") {
  Fixture f;
  const auto page = f.Get("/");
  CHECK(page.header("Content-Type").starts_with("text/html"));
  CHECK(page.body.find("<title>ps_to_http</title>") != std::string::npos);
  CHECK(page.body.find("/page/stats.js") != std::string::npos);
  CHECK(f.Get("/page/stats.js").ok());
  CHECK(f.Get("/", {"Host: rebound.example"}).code == 400);
}

TEST_CASE("status server: routes of the program's own are served beside") {
  Fixture f;
  f.server->router().Add(kLooks, "/tasks",
                         [](const Request&, Reply& reply) { reply.Text(200, "none\n"); });
  CHECK(f.Get("/tasks").body == "none\n");
}

TEST_CASE("status server: a prefix takes what no route has, decoded, the longest first") {
  Fixture f;
  const auto says = [](const char* who) {
    return [who](const Request& request, Reply& reply) {
      reply.Text(200, who + (" " + std::string(request.path())));
    };
  };
  f.server->router().AddPrefix(kLooks, "/tasks/", says("task"));
  f.server->router().AddPrefix(kLooks, "/tasks/own/", says("own"));
  f.server->router().Add(kLooks, "/tasks/all", says("all"));
  CHECK(f.Get("/tasks/all").body == "all /tasks/all");
  CHECK(f.Get("/tasks/all2").body == "task /tasks/all2");
  CHECK(f.Get("/tasks/").body == "task /tasks/");
  CHECK(f.Get("/tasks/a%2Fb%20c:1,2?x=1").body == "task /tasks/a/b c:1,2");
  CHECK(f.Get("/tasks/own/x").body == "own /tasks/own/x");
  CHECK(f.Get("/tasks").code == 404);
}

TEST_CASE("status server: with a token everything but /ping wants it") {
  const TokenFile file("s3cret");
  auto values = At("127.0.0.1:0");
  values.http_auth_token_file = file.path;
  Fixture f(values);
  CHECK(f.Get("/ping").code == 200);
  CHECK(f.Get("/stats").code == 401);
  CHECK(f.Get("/metrics").code == 401);
  CHECK(f.Get("/").code == 401);
  CHECK(f.Get("/stats", {"Authorization: Bearer s3cret"}).code == 200);
  CHECK(f.Get("/stats?token=s3cret").code == 200);
}

TEST_CASE("status server: a Unix socket is served, and its file goes with it") {
  const std::string path = "/tmp/rivulet_status_" + std::to_string(getpid());
  {
    Fixture f(At("unix:" + path));
    CHECK(f.server->bound() == "unix:" + path);
    CHECK(f.Get("/ping").body == "OK");
  }
  CHECK(access(path.c_str(), F_OK) != 0);
}

TEST_CASE("status server: hooks that are not there leave it empty and well") {
  FakeClock clock;
  EventLoop loop;
  Client client(loop);
  const auto server = StatusServer::Open(loop, clock, "x", At("0"), {});
  REQUIRE(server.ok());
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"/ping", "OK"}, {"/stats", ""}, {"/stats?format=json", "{}\n"}}) {
    ClientRequest request;
    request.url = "http://" + (*server)->bound() + path;
    const auto answer = client.Fetch(std::move(request));
    CHECK(answer.code == 200);
    CHECK(answer.body == body);
  }
}

TEST_CASE("status server: addresses") {
  for (const char* address : {"", "0", "8090", "127.0.0.1:8090", "localhost:8090", "[::1]:8090",
                              "unix:/tmp/x", "127.9.9.9:65535"}) {
    CAPTURE(address);
    CHECK(CheckStatusServerOptions(At(address)).ok());
  }
  for (const char* address : {"127.0.0.1", "65536", "127.0.0.1:", ":", ":8090", "::1:8090", "[::1]",
                              "[]:80", "host:80", "127.0.0.1:80x", "127.0.0.1:-1",
                              "unix:", "127.0.0.1:123456", "[127.0.0.1]:80", "http://x:80"}) {
    CAPTURE(address);
    const auto status = CheckStatusServerOptions(At(address));
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message() ==
          "--http-address=" + std::string(address) +
              ": must be ADDRESS:PORT with a numeric address or localhost, a PORT, or unix:PATH");
  }
}

TEST_CASE("status server: what only makes sense with an address is refused without one") {
  auto values = At("");
  SUBCASE("a token") {
    values.http_auth_token_file = "/etc/token";
    CHECK(CheckStatusServerOptions(values).message() ==
          "--http-auth-token-file=/etc/token must come with --http-address=ADDRESS");
  }
  SUBCASE("--insecure") {
    values.insecure = true;
    CHECK(CheckStatusServerOptions(values).message() ==
          "--insecure must come with --http-address=ADDRESS");
  }
}

TEST_CASE("status server: what other machines reach wants a token or --insecure") {
  for (const char* address : {"0.0.0.0:8090", "[::]:8090", "192.0.2.1:8090"}) {
    CAPTURE(address);
    auto values = At(address);
    CHECK(
        CheckStatusServerOptions(values).message() ==
        "--http-address=" + std::string(address) +
            ": other machines reach it: must come with --http-auth-token-file=FILE or --insecure");
    values.insecure = true;
    CHECK(CheckStatusServerOptions(values).ok());
    values.insecure = false;
    values.http_auth_token_file = "/etc/token";
    CHECK(CheckStatusServerOptions(values).ok());
  }
}

TEST_CASE("status server: what cannot be opened is said") {
  FakeClock clock;
  EventLoop loop;
  Fixture first;
  const auto taken = StatusServer::Open(loop, clock, "x", At(first.server->bound()), {});
  CHECK(taken.status().message().find(first.server->bound()) != std::string::npos);
  auto values = At("0");
  values.http_auth_token_file = "/no/such/token";
  const auto tokenless = StatusServer::Open(loop, clock, "x", values, {});
  CHECK(tokenless.status().message().starts_with("--http-auth-token-file=/no/such/token: "));
  CHECK_FALSE(StatusServer::Open(loop, clock, "x", At("0.0.0.0:0"), {}).ok());
}

TEST_CASE("status server: the options are declared with their names") {
  StatusServerOptions values;
  Options options("x", "a test");
  AddStatusServerOptions(&options, &values);
  const std::vector<const char*> argv = {"x", "--http-address=8090", "--http-auth-token-file=/t",
                                         "--insecure"};
  CHECK_FALSE(options.Parse(static_cast<int>(argv.size()), argv.data()).has_value());
  CHECK(values.http_address == "8090");
  CHECK(values.http_auth_token_file == "/t");
  CHECK(values.insecure);
}

}  // namespace
}  // namespace rivulet
