#include "bridge/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/token_file.h"
#include "bridge/destination_url.h"
#include "bridge/source_url.h"
#include "http/message.h"

namespace rivulet {

namespace {

constexpr double kMaxMessageBytes = 1 << 30;
constexpr double kMaxPendingBytes = std::uint64_t{1} << 40;
constexpr Duration kFirstBackoff = std::chrono::milliseconds(100);

BackoffConfig BackoffOf(const ConnectionOptions& connection) {
  return {std::min(kFirstBackoff, connection.max_backoff), connection.max_backoff};
}

bool IsHeader(std::string_view header, std::string_view name) {
  return EqualsIgnoreCase(header.substr(0, header.find(':')), name);
}

Status CheckHeader(const std::string& header) {
  const auto colon = header.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == header.size() ||
      header.find_first_of("\r\n") != std::string::npos || header.find_first_of(" \t") < colon) {
    return InvalidArgument("\"Name: value\"");
  }
  for (const std::string_view ours : {"Content-Length", "Transfer-Encoding", "Content-Encoding"}) {
    if (IsHeader(header, ours)) return InvalidArgument("another one: the body decides over this");
  }
  return Status::Ok();
}

const std::string* FirstRepeated(const std::vector<std::string>& texts) {
  for (auto text = texts.begin(); text != texts.end(); ++text) {
    if (std::find(texts.begin(), text, *text) != text) return &*text;
  }
  return nullptr;
}

// The token of `file`, or an empty text when there is no file.
Result<std::string> TokenOf(std::string_view option, const std::string& file) {
  if (file.empty()) return std::string();
  return ReadTokenFile(option, file);
}

void AddPaceOptions(Options* options, DeliveryOptions* values) {
  options->Uint("batch", &values->batch, "messages a POST may hold, a newline after each (/mput)")
      .Range(1, 1e6)
      .Metavar("N")
      .DefaultText(values->batch_shown.empty() ? std::to_string(values->batch)
                                               : values->batch_shown);
  options
      ->Time("batch-delay", &values->batch_delay,
             "how long a batch that is not full may wait for more messages")
      .DefaultText("0");
  options
      ->Uint("max-in-flight", &values->max_in_flight,
             "requests a destination has at a time; more than 1 gives up the order")
      .Range(1, 1024)
      .Metavar("N");
  options
      ->Bytes("max-pending-bytes", &values->max_pending_bytes,
              "messages held in memory for destinations; when full, no more are read")
      .Range(1, kMaxPendingBytes);
  options
      ->Uint("retry-max", &values->retry_max,
             "tries more for a request that fails; then its messages are refused")
      .Metavar("N")
      .DefaultText("for ever");
  options->Time("request-timeout", &values->request_timeout, "for a destination's whole answer");
}

}  // namespace

void AddConnectionOptions(Options* options, ConnectionOptions* values) {
  options->Section("Connections");
  options
      ->Text(values->token_option, &values->auth_token_file,
             "file whose first line is the bearer token for every connection")
      .Metavar("FILE");
  options
      ->Text("ca-file", &values->ca_file,
             "PEM certificates to trust for https, in place of the system's")
      .Metavar("FILE");
  options->Time("connect-timeout", &values->connect_timeout, "for a connection");
  options->Time("max-backoff", &values->max_backoff, "longest delay between two tries");
}

std::optional<int> CheckConnectionOptions(const Options& options, const ConnectionOptions& values) {
  if (values.max_backoff < std::chrono::milliseconds(1)) {
    return options.Fail("--max-backoff must be at least 1ms: tries without a delay overwhelm");
  }
  if (!values.ca_file.empty() && access(values.ca_file.c_str(), R_OK) != 0) {
    return options.Fail(fmt::format("--ca-file={}: must be a file of PEM certificates: {}",
                                    values.ca_file, std::strerror(errno)));
  }
  if (values.connect_timeout < std::chrono::milliseconds(1)) {
    return options.Fail("--connect-timeout must be at least 1ms");
  }
  return std::nullopt;
}

void AddSourceOptions(Options* options, SourceOptions* values, bool offset_file) {
  options->Section("Source");
  options
      ->Texts("pubsub-url", &values->pubsub_urls,
              "pubsub to follow: http://HOST:PORT[/sub?topic=NAME]; the next one after a failure")
      .Metavar("URL")
      .Check([](const std::string& url) { return PositionedSourceUrl(url).status(); });
  if (offset_file) {
    options
        ->Text("offset-file", &values->offset_file,
               "remembers where to go on after a restart, for a pubsub that keeps its past")
        .Metavar("FILE");
  }
  options
      ->Time("max-silence", &values->max_silence, "exit with 3 when no message comes for that long")
      .DefaultText("never");
  options
      ->Bytes("max-message-bytes", &values->max_message_bytes,
              "longer messages are refused and counted")
      .Range(1, kMaxMessageBytes);
  options
      ->Text("source-auth-token-file", &values->source_auth_token_file,
             "token for the source alone, in place of --auth-token-file")
      .Metavar("FILE");
}

std::optional<int> CheckSourceOptions(const Options& options, const SourceOptions& values) {
  if (values.pubsub_urls.empty()) {
    return options.Fail("--pubsub-url must be given: http://HOST:PORT of a pubsub");
  }
  if (const auto* url = FirstRepeated(values.pubsub_urls)) {
    return options.Fail(fmt::format("--pubsub-url={} must be given once", *url));
  }
  if (options.given("max-silence") && values.max_silence < std::chrono::milliseconds(1)) {
    return options.Fail("--max-silence must be at least 1ms; leave it out to wait for ever");
  }
  return std::nullopt;
}

Result<SourceConfig> MakeSourceConfig(const SourceOptions& values,
                                      const ConnectionOptions& connection, std::uint64_t seed) {
  SourceConfig config;
  for (const auto& url : values.pubsub_urls) {
    auto full = PositionedSourceUrl(url);
    if (!full.ok()) return full.status();
    config.urls.push_back(std::move(full).value());
  }
  if (!config.urls.empty()) config.first = static_cast<std::size_t>(seed % config.urls.size());
  const bool own_token = !values.source_auth_token_file.empty();
  auto token = own_token ? TokenOf("source-auth-token-file", values.source_auth_token_file)
                         : TokenOf(connection.token_option, connection.auth_token_file);
  if (!token.ok()) return token.status();
  if (!token->empty()) config.headers = {"Authorization: Bearer " + *token};
  config.positions = true;
  config.ca_file = connection.ca_file;
  config.max_message_bytes = static_cast<std::size_t>(values.max_message_bytes);
  config.connect_timeout = connection.connect_timeout;
  config.max_silence = values.max_silence;
  config.backoff = BackoffOf(connection);
  config.seed = seed;
  return config;
}

void AddDeliveryOptions(Options* options, DeliveryOptions* values) {
  options->Section("Destinations");
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
  AddPaceOptions(options, values);
  options->Texts("header", &values->headers, "sent to destinations: 'Name: value'")
      .Metavar("HEADER")
      .Check(CheckHeader);
  options->Flag("gzip", &values->gzip, "compress the bodies of POSTs");
  options
      ->Text("dead-letter", &values->dead_letter,
             "append what a destination refuses for good to this file, as JSON lines")
      .Metavar("FILE");
  options->Flag("dry-run", &values->dry_run, "print the requests, and send none");
}

std::optional<int> CheckDeliveryOptions(const Options& options, const DeliveryOptions& values,
                                        std::string_view token_option) {
  if (values.get_urls.empty() && values.post_urls.empty()) {
    return options.Fail("--destination-get-url or --destination-post-url must be given");
  }
  if (values.batch > 1 && values.post_urls.empty()) {
    return options.Fail("--batch must come with --destination-post-url: a GET holds one message");
  }
  if (values.batch_delay > Duration::zero() && values.batch == 1) {
    return options.Fail("--batch-delay must come with --batch=N above 1: nothing else waits");
  }
  if (values.gzip && values.post_urls.empty()) {
    return options.Fail("--gzip must come with --destination-post-url: a GET has no body");
  }
  if (values.request_timeout < std::chrono::milliseconds(1)) {
    return options.Fail("--request-timeout must be at least 1ms");
  }
  for (const auto& header : values.headers) {
    if (options.given(token_option) && IsHeader(header, "Authorization")) {
      return options.Fail(
          fmt::format("--header=Authorization must not come with --{}", token_option));
    }
  }
  return std::nullopt;
}

Result<DeliveryConfig> MakeDeliveryConfig(const DeliveryOptions& values,
                                          const ConnectionOptions& connection, std::uint64_t seed) {
  auto token = TokenOf(connection.token_option, connection.auth_token_file);
  if (!token.ok()) return token.status();
  DeliveryConfig config;
  const auto add = [&](DestinationConfig destination) {
    destination.headers = values.headers;
    if (!token->empty()) destination.headers.push_back("Authorization: Bearer " + *token);
    destination.ca_file = connection.ca_file;
    destination.connect_timeout = connection.connect_timeout;
    destination.request_timeout = values.request_timeout;
    const bool batched = destination.batched;
    config.destinations.push_back(std::move(destination));
    config.forwarder.destinations.push_back({batched ? values.batch : 1, values.max_in_flight,
                                             batched ? values.batch_delay : Duration(),
                                             BackoffOf(connection)});
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
    destination.gzip = values.gzip;
    add(std::move(destination));
  }
  config.forwarder.round_robin = values.round_robin;
  config.forwarder.retry_max = values.retry_max;
  config.forwarder.seed = seed;
  config.dead_letter_path = values.dead_letter;
  config.dry_run = values.dry_run;
  return config;
}

}  // namespace rivulet
