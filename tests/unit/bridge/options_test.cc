#include "bridge/options.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <set>
#include <string>

namespace rivulet {
namespace {

using namespace std::chrono_literals;

/// What a run with these arguments makes of the options of a bridge.
struct Given {
  Options options{"bridge", "a test"};
  SourceOptions source;
  DeliveryOptions delivery;
  ConnectionOptions connection;
  std::optional<int> exit_status;
  std::string complaint;

  explicit Given(std::vector<const char*> args) {
    AddSourceOptions(&options, &source);
    AddDeliveryOptions(&options, &delivery);
    AddConnectionOptions(&options, &connection);
    args.insert(args.begin(), "bridge");
    // Complaints go to standard error: read here from a file in its place.
    char name[] = "/tmp/rivulet_bridge_options_XXXXXX";
    const int file = mkstemp(name);
    REQUIRE(file >= 0);
    unlink(name);
    const int saved = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    exit_status = options.Parse(static_cast<int>(args.size()), args.data());
    if (!exit_status) exit_status = CheckSourceOptions(options, source);
    if (!exit_status) exit_status = CheckDeliveryOptions(options, delivery);
    if (!exit_status) exit_status = CheckConnectionOptions(options, connection);
    dup2(saved, STDERR_FILENO);
    close(saved);
    std::string text(4096, '\0');
    text.resize(static_cast<std::size_t>(pread(file, text.data(), text.size(), 0)));
    close(file);
    complaint = text;
  }
};

constexpr const char* kSource = "--pubsub-url=http://127.0.0.1:1";
constexpr const char* kPost = "--destination-post-url=http://127.0.0.1:2/mput";
constexpr const char* kGet = "--destination-get-url=http://127.0.0.1:2/put?data=%s";

TEST_CASE("bridge options: what is wrong is one line that names the option and what is right") {
  struct Case {
    std::vector<const char*> args;
    std::vector<const char*> words;
  };
  const Case cases[] = {
      {{kPost}, {"--pubsub-url", "must be given"}},
      {{kSource}, {"--destination-get-url or --destination-post-url", "must be given"}},
      {{kSource, kSource, kPost}, {"--pubsub-url", "http://127.0.0.1:1", "once"}},
      {{"--pubsub-url=ftp://h", kPost}, {"--pubsub-url", "ftp://h", "http://"}},
      {{"--pubsub-url=http://h/sub?format=framed", kPost}, {"--pubsub-url", "format"}},
      {{kSource, kGet, "--batch=2"}, {"--batch", "--destination-post-url"}},
      {{kSource, kPost, "--batch=0"}, {"--batch", "0"}},
      {{kSource, kPost, "--batch-delay=1s"}, {"--batch-delay", "--batch"}},
      {{kSource, kGet, "--gzip"}, {"--gzip", "--destination-post-url"}},
      {{kSource, kPost, "--max-silence=0"}, {"--max-silence", "1ms"}},
      {{kSource, kPost, "--max-backoff=0"}, {"--max-backoff", "1ms"}},
      {{kSource, kPost, "--connect-timeout=0"}, {"--connect-timeout", "1ms"}},
      {{kSource, kPost, "--ca-file=/does/not/exist"}, {"--ca-file", "/does/not/exist", "PEM"}},
      {{kSource, kPost, "--request-timeout=0"}, {"--request-timeout", "1ms"}},
      {{kSource, kPost, "--retry-max=-1"}, {"--retry-max", "-1"}},
      {{kSource, kPost, "--header=nothing"}, {"--header", "Name: value"}},
      {{kSource, kPost, "--header=content-length: 3"}, {"--header", "content-length"}},
      {{kSource, kPost, "--header=authorization: x", "--auth-token-file=/x"},
       {"--header", "--auth-token-file"}},
  };
  for (const Case& one : cases) {
    const Given given(one.args);
    CAPTURE(given.complaint);
    CHECK(given.exit_status == 2);
    CHECK(given.complaint.find('\n') == given.complaint.size() - 1);
    for (const char* word : one.words) CHECK(given.complaint.find(word) != std::string::npos);
  }
}

TEST_CASE("bridge options: the source is followed with positions, beginning with any URL") {
  Given given({"--pubsub-url=http://a:1", "--pubsub-url=http://b:1/sub?topic=t&since=earliest",
               "--pubsub-url=http://c:1", kPost, "--max-message-bytes=1KiB", "--max-silence=3s",
               "--ca-file=/dev/null", "--connect-timeout=2s", "--max-backoff=50ms"});
  REQUIRE(!given.exit_status);
  std::set<std::size_t> first;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const auto config = MakeSourceConfig(given.source, given.connection, seed);
    REQUIRE(config.ok());
    first.insert(config->first);
    CHECK(config->urls.size() == 3);
    CHECK(config->urls[1].starts_with("http://b:1/sub?topic=t&"));
    CHECK(config->urls[1].ends_with("&since=earliest"));
    CHECK(config->urls[0].ends_with("&since=now"));
    CHECK(config->positions);
    CHECK(config->max_message_bytes == 1024);
    CHECK(config->max_silence == 3s);
    CHECK(config->connect_timeout == 2s);
    CHECK(config->ca_file == "/dev/null");
    CHECK(config->backoff.cap == 50ms);
    CHECK(config->backoff.first == 50ms);
  }
  CHECK(first == std::set<std::size_t>{0, 1, 2});
}

TEST_CASE("bridge options: destinations are those of GETs, then those of POSTs") {
  Given given({kSource, kPost, kGet, "--batch=7", "--batch-delay=5ms", "--max-in-flight=3",
               "--gzip", "--header=X-One: 1", "--request-timeout=9s", "--retry-max=4",
               "--dead-letter=/tmp/refused", "--round-robin", "--dry-run", "--ca-file=/dev/null"});
  REQUIRE(!given.exit_status);
  const auto config = MakeDeliveryConfig(given.delivery, given.connection, 5);
  REQUIRE(config.ok());
  REQUIRE(config->destinations.size() == 2);
  REQUIRE(config->forwarder.destinations.size() == 2);
  const auto& get = config->destinations[0];
  CHECK(!get.post);
  CHECK(!get.batched);
  CHECK(!get.gzip);
  CHECK(get.get_url.For("m") == "http://127.0.0.1:2/put?data=m");
  CHECK(config->forwarder.destinations[0].batch == 1);
  CHECK(config->forwarder.destinations[0].batch_delay == Duration());
  const auto& post = config->destinations[1];
  CHECK(post.post);
  CHECK(post.batched);
  CHECK(post.gzip);
  CHECK(post.post_url == "http://127.0.0.1:2/mput");
  CHECK(post.headers == std::vector<std::string>{"X-One: 1"});
  CHECK(post.request_timeout == 9s);
  CHECK(post.ca_file == "/dev/null");
  CHECK(config->forwarder.destinations[1].batch == 7);
  CHECK(config->forwarder.destinations[1].batch_delay == 5ms);
  CHECK(config->forwarder.destinations[1].max_in_flight == 3);
  CHECK(config->forwarder.round_robin);
  CHECK(config->forwarder.retry_max == 4);
  CHECK(config->dead_letter_path == "/tmp/refused");
  CHECK(config->dry_run);
}

TEST_CASE("bridge options: tries go on for ever where no number is given") {
  Given given({kSource, kPost});
  REQUIRE(!given.exit_status);
  CHECK(MakeDeliveryConfig(given.delivery, given.connection, 5)->forwarder.retry_max == UINT64_MAX);
  CHECK(given.options.HelpText().find("for ever") != std::string::npos);
}

/// A file with a token that its owner alone may read.
struct TokenFile {
  explicit TokenFile(const std::string& token) {
    const int file = mkstemp(path.data());
    REQUIRE(file >= 0);
    REQUIRE(write(file, token.data(), token.size()) == static_cast<ssize_t>(token.size()));
    close(file);
    option = "--auth-token-file=" + path;
    source_option = "--source-auth-token-file=" + path;
  }
  ~TokenFile() { unlink(path.c_str()); }
  std::string path = "/tmp/rivulet_token_XXXXXX";
  std::string option;
  std::string source_option;
};

TEST_CASE("bridge options: a token is for everybody, but the source may have its own") {
  const TokenFile all("one\n");
  const TokenFile source("two\n");
  using Headers = std::vector<std::string>;
  {
    Given given({kSource, kPost, all.option.c_str()});
    REQUIRE(!given.exit_status);
    CHECK(MakeSourceConfig(given.source, given.connection, 0)->headers ==
          Headers{"Authorization: Bearer one"});
    CHECK(MakeDeliveryConfig(given.delivery, given.connection, 0)->destinations[0].headers ==
          Headers{"Authorization: Bearer one"});
  }
  {
    Given given({kSource, kPost, all.option.c_str(), source.source_option.c_str()});
    REQUIRE(!given.exit_status);
    CHECK(MakeSourceConfig(given.source, given.connection, 0)->headers ==
          Headers{"Authorization: Bearer two"});
  }
  {
    Given given({kSource, kPost, source.source_option.c_str()});
    CHECK(MakeDeliveryConfig(given.delivery, given.connection, 0)->destinations[0].headers.empty());
  }
  Given given({kSource, kPost, "--auth-token-file=/does/not/exist"});
  const auto config = MakeDeliveryConfig(given.delivery, given.connection, 0);
  CHECK(!config.ok());
  CHECK(config.status().message().find("--auth-token-file=/does/not/exist") == 0);
}

}  // namespace
}  // namespace rivulet
