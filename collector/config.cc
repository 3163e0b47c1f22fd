#include "collector/config.h"

#include <string_view>
#include <utility>

namespace rivulet {

namespace {

constexpr std::uint64_t kBatch = 100;  // where one may be sent, and none was asked for

constexpr char kExamples[] = R"(Examples:
  collector --port=8090 --destination-post-url='http://127.0.0.1:8080/put?queue=events'
  curl 'http://127.0.0.1:8090/event?t=page_view&l=http://shop.example/%23/?source=mail'
  curl -d '{"t":"impression","d":{"item":"7"}}' http://127.0.0.1:8090/event
  collector --port=8090 --mapping=clicks.map --check
  collector --port=8090 --mapping=clicks.map --allow-origin=https://shop.example \
    --destination-post-url=http://127.0.0.1:8081/pub --spool-path=/var/spool/collector
Destinations whose path ends in /pub or /mput get up to 100 messages a request, unless --batch says.
A page says <script src="http://127.0.0.1:8090/collector.js" defer></script>. Pages of another
origin, which a shop mostly is, need --allow-origin=ORIGIN: https://shop.example, or * for all.
)";

void AddEventOptions(Options* options, CollectorOptions* values) {
  options->Section("Events");
  options
      ->Text("mapping", &values->mapping,
             "file that says what message an event becomes; without one, all that is known of it")
      .Metavar("FILE");
  options->Flag("check", &values->check, "read the mapping, say whether it is well, and exit");
  options->Uint("max-events", &values->max_events, "events a request may hold")
      .Range(1, 10'000)
      .Metavar("N");
  options
      ->Bytes("max-parameters-bytes", &values->max_parameters_bytes,
              "longest parameters of an event that is taken")
      .Range(0, 1 << 20);
  options
      ->Time("duplicate-window", &values->duplicate_window,
             "how long an event's id is remembered, to know a repeat by; 0: not at all")
      .Metavar("TIME");
  options
      ->Uint("max-ids", &values->max_ids,
             "ids that are remembered at most, at 32 bytes each; then the oldest go")
      .Range(2, 1e7)
      .Metavar("N");
  options->Flag("drop-duplicates", &values->drop_duplicates,
                "drop repeated events; else they are marked");
  options->Flag("drop-bots", &values->drop_bots,
                "drop events whose user agent is a program's, or empty; else they are marked");
  options
      ->Texts("bot-word", &values->bot_words,
              "a word of user agents that are programs', besides bot, crawler, curl/ and so on")
      .Metavar("WORD");
}

void AddPrivacyOptions(Options* options, CollectorOptions* values) {
  options->Section("Visitors and senders");
  options->Flag("honour-dnt", &values->honour_dnt,
                "keep nothing of who sends DNT: 1 or Sec-GPC: 1; the answer is the same");
  options
      ->Text("remote-address", &values->remote_address,
             "what is kept of an address: nothing, its network (/24, /48), or all of it")
      .OneOf({"none", "truncated", "full"})
      .Metavar("HOW");
  options->Flag("trust-forwarded", &values->trust_forwarded,
                "believe X-Forwarded-For, of a proxy of ours: its last address");
  options
      ->Text("sender-token-file", &values->sender_token_file,
             "file whose first line is the token of servers that send events of their visitors: "
             "theirs may tell time, user agent and address")
      .Metavar("FILE");
  options->Flag("require-token", &values->require_token, "refuse events without that token");
}

bool TakesBatches(std::string_view url) {
  const std::string_view path = url.substr(0, url.find_first_of("?#"));
  return path.ends_with("/pub") || path.ends_with("/mput");
}

}  // namespace

void AddCollectorOptions(Options* options, CollectorOptions* values) {
  AddEventOptions(options, values);
  AddPrivacyOptions(options, values);
  values->delivery.batch_shown = fmt::format("{} where the path is /pub or /mput, else 1", kBatch);
  AddDeliveryOptions(options, &values->delivery);
  AddSpoolOptions(options, &values->spool,
                  "what happens then: events are refused with 503, or the oldest go");
  AddConnectionOptions(options, &values->connection);
  options->Epilog(kExamples);
}

std::optional<int> CheckCollectorOptions(const Options& options, const CollectorOptions& values) {
  if (values.require_token && values.sender_token_file.empty()) {
    return options.Fail("--require-token must come with --sender-token-file=FILE");
  }
  if (values.drop_duplicates && values.duplicate_window == Duration::zero()) {
    return options.Fail("--drop-duplicates must come with a --duplicate-window above 0");
  }
  if (values.check) return std::nullopt;
  if (const auto code =
          CheckDeliveryOptions(options, values.delivery, values.connection.token_option)) {
    return code;
  }
  if (const auto code = CheckConnectionOptions(options, values.connection)) return code;
  return CheckSpoolOptions(options, values.spool);
}

Result<OutletConfig> MakeOutletConfig(const CollectorOptions& values, bool batch_given,
                                      std::uint64_t seed) {
  auto delivery = MakeDeliveryConfig(values.delivery, values.connection, seed);
  if (!delivery.ok()) return delivery.status();
  OutletConfig config;
  config.delivery = std::move(delivery).value();
  for (std::size_t i = 0; i < config.delivery.destinations.size() && !batch_given; ++i) {
    DestinationConfig& destination = config.delivery.destinations[i];
    if (!destination.post || !TakesBatches(destination.post_url)) continue;
    destination.batched = true;
    config.delivery.forwarder.destinations[i].batch = kBatch;
  }
  config.max_pending_bytes = values.delivery.max_pending_bytes;
  if (values.delivery.dry_run) {
    config.delivery.dead_letter_path.clear();
    return config;
  }
  if (!values.spool.path.empty()) {
    auto spool = MakeSpoolConfig(values.spool, values.delivery);
    if (!spool.ok()) return spool.status();
    config.spool = std::move(spool).value();
    config.spool->meanwhile = "events are refused with 503 until there is room";
  }
  return config;
}

}  // namespace rivulet
