#include "ps_to_http/config.h"

#include <fmt/format.h>

#include <string_view>

#include "base/token_file.h"
#include "bridge/source_url.h"
#include "bridge/destination_url.h"

namespace rivulet {

namespace {

constexpr double kMaxMessageBytes = 1 << 30;
constexpr double kMaxPendingBytes = std::uint64_t{1} << 40;

Status CheckHeader(const std::string& header) {
  const auto colon = header.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == header.size() ||
      header.find_first_of("\r\n") != std::string::npos || header.find_first_of(" \t") < colon) {
    return InvalidArgument("\"Name: value\"");
  }
  return Status::Ok();
}

void DeclareDelivery(Options* options, BridgeOptions* values) {
  options->Section("Delivery");
  options->Uint("batch", &values->batch, "messages a POST may hold, a newline after each (/mput)")
      .Range(1, 1e6)
      .Metavar("N");
  options->Time("batch-delay", &values->batch_delay,
                "how long a batch that is not full may wait for more messages");
  options
      ->Uint("max-in-flight", &values->max_in_flight,
             "requests a destination has at a time; more than 1 gives up the order")
      .Range(1, 1024)
      .Metavar("N");
  options
      ->Bytes("max-pending-bytes", &values->max_pending_bytes,
              "messages held for destinations; when full, the source is not read")
      .Range(1, kMaxPendingBytes);
  options
      ->Bytes("max-message-bytes", &values->max_message_bytes,
              "longer messages are refused and counted")
      .Range(1, kMaxMessageBytes);
  options->Time("max-backoff", &values->max_backoff, "longest delay between two tries");
  options->Time("connect-timeout", &values->connect_timeout, "for a connection");
  options->Time("request-timeout", &values->request_timeout, "for a destination's whole answer");
  options->Texts("header", &values->headers, "sent to destinations: 'Name: value'")
      .Metavar("HEADER")
      .Check(CheckHeader);
  options
      ->Text("auth-token-file", &values->auth_token_file,
             "file whose first line is the token for destinations and source")
      .Metavar("FILE");
  options
      ->Text("source-auth-token-file", &values->source_auth_token_file,
             "the same for the source alone")
      .Metavar("FILE");
}

}  // namespace

void DeclareOptions(Options* options, BridgeOptions* values) {
  options->Section("Source and destinations");
  options
      ->Texts("pubsub-url", &values->pubsub_urls,
              "pubsub to follow: http://HOST:PORT[/sub?topic=NAME]; the next one after a failure")
      .Metavar("URL")
      .Check([](const std::string& url) { return SourceUrl(url).status(); });
  options
      ->Texts("destination-get-url", &values->get_urls,
              "GET this for each message, put in place of %s")
      .Metavar("URL")
      .Check([](const std::string& url) { return ParseGetUrl(url).status(); });
  options->Texts("destination-post-url", &values->post_urls, "POST each message to this")
      .Metavar("URL")
      .Check(CheckHttpUrl);
  options->Flag("round-robin", &values->round_robin,
                "give each message to one destination in turn, not to all");
  options
      ->Time("max-silence", &values->max_silence, "exit with 3 when no message comes for that long")
      .DefaultText("never");
  DeclareDelivery(options, values);
  options->Section("Running");
  options
      ->Time("stats-interval", &values->stats_interval,
             "print progress and rate on standard error that often")
      .DefaultText("never");
  options->Time("drain-timeout", &values->drain_timeout,
                "how long SIGTERM waits for what is pending");
  AddLogOptions(options, &values->log);
  options->Epilog(
      "Examples:\n"
      "  ps_to_http --pubsub-url=http://127.0.0.1:8080 --batch=500 \\\n"
      "    --destination-post-url=http://127.0.0.1:8081/mput\n"
      "  ps_to_http --pubsub-url='http://127.0.0.1:8080/sub?topic=clicks' \\\n"
      "    --destination-get-url='http://127.0.0.1:8081/put?data=%s'");
}

std::optional<int> CheckOptions(const Options& options, const BridgeOptions& values) {
  if (values.pubsub_urls.empty()) {
    return options.Fail("--pubsub-url must be given: http://HOST:PORT of a pubsub");
  }
  if (values.get_urls.empty() && values.post_urls.empty()) {
    return options.Fail("--destination-get-url or --destination-post-url must be given");
  }
  if (values.batch > 1 && values.post_urls.empty()) {
    return options.Fail("--batch must come with --destination-post-url: a GET holds one message");
  }
  return std::nullopt;
}

Result<BridgeConfig> MakeConfig(const BridgeOptions& values, std::uint64_t seed) {
  BridgeConfig config;
  const BackoffConfig backoff{
      std::min<Duration>(std::chrono::milliseconds(100), values.max_backoff), values.max_backoff};
  std::vector<std::string> headers = values.headers;
  std::string source_token;
  if (!values.auth_token_file.empty()) {
    auto token = ReadTokenFile("auth-token-file", values.auth_token_file);
    if (!token.ok()) return token.status();
    headers.push_back("Authorization: Bearer " + *token);
    source_token = *token;
  }
  if (!values.source_auth_token_file.empty()) {
    auto token = ReadTokenFile("source-auth-token-file", values.source_auth_token_file);
    if (!token.ok()) return token.status();
    source_token = *token;
  }
  for (const auto& url : values.pubsub_urls) {
    auto full = SourceUrl(url);
    if (!full.ok()) return full.status();
    config.source.urls.push_back(*full);
  }
  if (!source_token.empty()) config.source.headers = {"Authorization: Bearer " + source_token};
  config.source.max_message_bytes = static_cast<std::size_t>(values.max_message_bytes);
  config.source.connect_timeout = values.connect_timeout;
  config.source.max_silence = values.max_silence;
  config.source.backoff = backoff;
  config.source.seed = seed;

  const auto add = [&](DestinationConfig destination) {
    destination.headers = headers;
    destination.connect_timeout = values.connect_timeout;
    destination.request_timeout = values.request_timeout;
    config.destinations.push_back(std::move(destination));
    const bool batched = config.destinations.back().batched;
    config.forwarder.destinations.push_back({batched ? values.batch : 1, values.max_in_flight,
                                             batched ? values.batch_delay : Duration(), backoff});
  };
  for (const auto& url : values.get_urls) {
    auto parsed = ParseGetUrl(url);
    if (!parsed.ok()) return parsed.status();
    DestinationConfig destination;
    destination.get_url = std::move(parsed).value();
    add(std::move(destination));
  }
  for (const auto& url : values.post_urls) {
    DestinationConfig destination;
    destination.post = true;
    destination.post_url = url;
    destination.batched = values.batch > 1;
    add(std::move(destination));
  }
  config.forwarder.round_robin = values.round_robin;
  config.forwarder.max_pending_bytes = values.max_pending_bytes;
  config.forwarder.seed = seed + 1;
  config.stats_interval = values.stats_interval;
  config.drain_timeout = values.drain_timeout;
  return config;
}

}  // namespace rivulet
