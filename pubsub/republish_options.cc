#include <fmt/format.h>

#include <utility>

#include "base/names.h"
#include "base/token_file.h"
#include "bridge/source_url.h"
#include "pubsub/republish.h"

namespace rivulet {

namespace {

constexpr std::size_t kLeastKeyBytes = 16;
constexpr std::size_t kMaxSourceMessageBytes = std::size_t{64} << 20;
constexpr char kOffsetFileName[] = "/source_offset";

Status CheckFields(const std::string& list) { return ParseFieldList(list).status(); }

// Whether any option but --pubsub-url itself was given.
std::string_view FirstWithoutSource(const RepublishOptions& options) {
  if (!options.blacklist_fields.empty()) return "blacklist-fields";
  if (!options.encrypted_fields.empty()) return "encrypted-fields";
  if (!options.hash_key_file.empty()) return "hash-key-file";
  if (!options.expected_key.empty()) return "expected-key";
  if (!options.expected_value.empty()) return "expected-value";
  if (!options.expected_value_regex.empty()) return "expected-value-regex";
  if (!options.auth_token_file.empty()) return "source-auth-token-file";
  if (!options.offset_file.empty()) return "source-offset-file";
  return {};
}

TransformConfig TransformOf(const RepublishOptions& options) {
  TransformConfig transform;
  if (auto fields = ParseFieldList(options.blacklist_fields); fields.ok()) {
    transform.removed_fields = std::move(fields).value();
  }
  if (auto fields = ParseFieldList(options.encrypted_fields); fields.ok()) {
    transform.hashed_fields = std::move(fields).value();
  }
  transform.expected_key = options.expected_key;
  if (!options.expected_value.empty()) transform.expected_value = options.expected_value;
  if (!options.expected_value_regex.empty()) {
    transform.expected_regex = options.expected_value_regex;
  }
  return transform;
}

}  // namespace

void AddRepublishOptions(Options* options, RepublishOptions* republish) {
  options->Section("Republishing another pubsub");
  options
      ->Texts("pubsub-url", &republish->pubsub_urls,
              "publish again what comes from http://HOST:PORT[/sub?topic=NAME]; the next one after "
              "a failure")
      .Metavar("URL")
      .Check([](const std::string& url) { return PositionedSourceUrl(url).status(); });
  options->Text("republish-topic", &republish->topic, "topic that it is published to")
      .Metavar("NAME")
      .Check([](const std::string& name) {
        return IsName(name) ? Status::Ok() : InvalidArgument(std::string(kNameRule));
      });
  options->Text("expected-key", &republish->expected_key, "pass on only messages with this key")
      .Metavar("KEY")
      .Check([](const std::string& key) {
        const auto fields = ParseFieldList(key);
        return key.empty() || (fields.ok() && fields->size() == 1)
                   ? Status::Ok()
                   : InvalidArgument("one key of the messages, as in geo.city");
      });
  options->Text("expected-value", &republish->expected_value, "and this value of it")
      .Metavar("VALUE");
  options
      ->Text("expected-value-regex", &republish->expected_value_regex,
             "and a value that this matches, anywhere (RE2)")
      .Metavar("REGEX");
  options
      ->Text("blacklist-fields", &republish->blacklist_fields,
             "remove these fields, with commas between: email,user.name")
      .Metavar("FIELDS")
      .Check(CheckFields);
  options
      ->Text("encrypted-fields", &republish->encrypted_fields,
             "replace these by a keyed hash (HMAC-SHA-256, 32 hexadecimal digits)")
      .Metavar("FIELDS")
      .Check(CheckFields);
  options
      ->Text("hash-key-file", &republish->hash_key_file,
             "file whose first line is the key of --encrypted-fields")
      .Metavar("FILE");
  options
      ->Text("source-auth-token-file", &republish->auth_token_file,
             "file whose first line is the token for the source")
      .Metavar("FILE");
  options
      ->Text("source-offset-file", &republish->offset_file,
             "go on after a restart where this says; kept up to date")
      .Metavar("FILE")
      .DefaultText("DATA_PATH/source_offset with --data-path");
}

Status CheckRepublishOptions(const RepublishOptions& republish) {
  if (republish.pubsub_urls.empty()) {
    const auto other = FirstWithoutSource(republish);
    if (other.empty()) return Status::Ok();
    return InvalidArgument(
        fmt::format("--{} must come with --pubsub-url: http://HOST:PORT of a pubsub", other));
  }
  if (!republish.encrypted_fields.empty() && republish.hash_key_file.empty()) {
    return InvalidArgument(
        "--encrypted-fields must come with --hash-key-file: a file whose first "
        "line is a secret key");
  }
  if (republish.encrypted_fields.empty() && !republish.hash_key_file.empty()) {
    return InvalidArgument("--hash-key-file must come with --encrypted-fields");
  }
  if (republish.expected_key.empty() &&
      !(republish.expected_value.empty() && republish.expected_value_regex.empty())) {
    return InvalidArgument(
        fmt::format("--{} must come with --expected-key",
                    republish.expected_value.empty() ? "expected-value-regex" : "expected-value"));
  }
  if (!republish.expected_value.empty() && !republish.expected_value_regex.empty()) {
    return InvalidArgument(
        "--expected-value and --expected-value-regex must not be given together");
  }
  return Transform::Make(TransformOf(republish)).status();
}

Result<RepublishConfig> MakeRepublishConfig(const RepublishOptions& republish,
                                            std::string_view data_path, std::uint64_t seed) {
  RepublishConfig config;
  config.transform = TransformOf(republish);
  if (!republish.hash_key_file.empty()) {
    auto key = ReadTokenFile("hash-key-file", republish.hash_key_file);
    if (!key.ok()) return key.status();
    if (key->size() < kLeastKeyBytes) {
      return InvalidArgument(
          fmt::format("--hash-key-file={}: its first line of {} bytes must be at least {}: who "
                      "guesses the key can try values",
                      republish.hash_key_file, key->size(), kLeastKeyBytes));
    }
    config.transform.hash_key = std::move(key).value();
  }
  if (!republish.auth_token_file.empty()) {
    auto token = ReadTokenFile("source-auth-token-file", republish.auth_token_file);
    if (!token.ok()) return token.status();
    config.source.headers = {"Authorization: Bearer " + *token};
  }
  for (const auto& url : republish.pubsub_urls) {
    auto full = PositionedSourceUrl(url);
    if (!full.ok()) return full.status();
    config.source.urls.push_back(std::move(full).value());
  }
  config.source.positions = true;
  config.source.max_message_bytes = kMaxSourceMessageBytes;
  config.source.seed = seed;
  config.offset_file = republish.offset_file;
  if (config.offset_file.empty() && !data_path.empty()) {
    config.offset_file = std::string(data_path) + kOffsetFileName;
  }
  return config;
}

}  // namespace rivulet
