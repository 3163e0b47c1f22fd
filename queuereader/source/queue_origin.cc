#include "queuereader/source/queue_origin.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "base/units.h"
#include "http/query.h"

namespace rivulet {
namespace {

constexpr Duration kConnectTimeout = std::chrono::seconds(5);
constexpr Duration kStatsTimeout = std::chrono::seconds(10);
constexpr std::size_t kMaxShown = 200;

constexpr std::string_view kDefaultQueue = "default";

// Takes `lease` out of the parameters of a URL.
Status TakeLease(std::string_view query, std::string* rest, std::optional<Duration>* lease) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!parameter.starts_with("lease=")) {
      if (!parameter.empty()) rest->append("&").append(parameter);
      continue;
    }
    const auto time = ParseDuration(PercentDecode(parameter.substr(6), true));
    if (!time.ok()) {
      return InvalidArgument(
          fmt::format("{}: must be lease=0, or a time such as lease=30s", parameter));
    }
    *lease = *time;
  }
  return Status::Ok();
}

/// A figure that is not there is none that says otherwise.
bool IsZero(const JsonValue& stats, std::string_view name) {
  const auto number = JsonNumber(FindMember(stats, name));
  return !number || *number <= 0;
}

}  // namespace

ClientRequest QueueOrigin::Ask(std::string_view path) const {
  ClientRequest request;
  request.url.append(url).append(path);
  if (!parameters.empty()) {
    const bool begun = path.find('?') != std::string_view::npos;
    request.url.append(begun ? "&" : "?").append(parameters, 1);
  }
  if (!auth_token.empty()) request.headers.push_back("Authorization: Bearer " + auth_token);
  request.connect_timeout = kConnectTimeout;
  return request;
}

std::string QueueOrigin::shown_url() const {
  const std::size_t host = url.find("://") + 3;
  const std::size_t at = url.substr(0, url.find('/', host)).rfind('@');
  const std::size_t shown = at == std::string::npos ? host : at + 1;
  return url.substr(0, host) + url.substr(shown);
}

std::string NameOf(const std::vector<QueueOrigin>& origins) {
  std::string urls;
  for (const QueueOrigin& origin : origins) {
    urls.append(urls.empty() ? "" : ", ").append(origin.shown_url());
  }
  return urls + " queue " + origins.front().queue;
}

Status LoadQueuePlace(std::string_view saved) {
  if (saved.empty() || saved == kQueuePlace) return Status::Ok();
  return InvalidArgument(
      "it is of a reader of files; this one reads a queue: give it a "
      "--checkpoint-name of its own");
}

Result<ParsedQueueUrl> ParseQueueUrl(const std::string& url, const QueueSourceConfig& config) {
  const bool http = url.starts_with("http://") || url.starts_with("https://");
  const std::size_t host = http ? url.find("://") + 3 : 0;
  if (!http || url.find_first_of("/?", host) == host || url.find('#') != std::string::npos ||
      url.find_first_of(" \t\r\n") != std::string::npos) {
    return InvalidArgument(fmt::format("--source={} must be http://HOST:PORT", url));
  }
  ParsedQueueUrl parsed;
  QueueOrigin& origin = parsed.origin;
  const std::size_t question = std::min(url.find('?'), url.size());
  origin.url = url.substr(0, question);
  if (Status status = CheckClientUrl(origin.url); !status.ok()) {
    return InvalidArgument(fmt::format("--source={} must be {}", origin.url, status.message()));
  }
  while (origin.url.ends_with('/')) origin.url.pop_back();
  const std::string_view query = std::string_view(url).substr(std::min(question + 1, url.size()));
  origin.queue = config.queuename;
  if (config.queuename != kDefaultQueue) {
    origin.parameters = "&queue=" + config.queuename;
  } else if (const auto named = FindParameter(query, "queue")) {
    origin.queue = *named;
  }
  origin.auth_token = config.auth_token;
  if (Status status = TakeLease(query, &origin.parameters, &parsed.lease); !status.ok()) {
    return InvalidArgument(fmt::format("--source={}: {}", origin.url, status.message()));
  }
  return parsed;
}

bool MayHeal(const ClientResponse& response) {
  if (!response.status.ok()) return response.status.code() != StatusCode::kInvalidArgument;
  switch (response.code) {
    case 401:
    case 403:
    case 404:
    case 408:
    case 429:
      return true;
    default:
      return response.code < 400 || response.code >= 500;
  }
}

std::string DescribeAnswer(const ClientResponse& response, std::string_view body) {
  std::string text = response.Describe();
  const std::string_view line = body.substr(0, body.find('\n')).substr(0, kMaxShown);
  if (response.status.ok() && response.code >= 300 && !line.empty()) {
    text.append(": ").append(line);
  }
  return text;
}

std::string TimeParameter(Duration time) {
  return FormatDuration(std::chrono::ceil<std::chrono::milliseconds>(time));
}

DrainedQuestion::DrainedQuestion(Client& client, const std::vector<QueueOrigin>& origins,
                                 std::function<void(bool drained)> answer)
    : awaited_(origins.size()), answer_(std::move(answer)) {
  for (const QueueOrigin& origin : origins) {
    ClientRequest request = origin.Ask("/stats?format=json");
    request.timeout = kStatsTimeout;
    calls_.push_back(client.Start(std::move(request),
                                  [this](const ClientResponse& response) { OnStats(response); }));
  }
}

void DrainedQuestion::OnStats(const ClientResponse& response) {
  // A queue that has no such figures (the original's do not parse) has said that it is empty by
  // giving nothing; one that cannot be asked now has said nothing.
  JsonDocument stats;
  const bool answers = response.status.ok() && response.code < 500;
  const bool tells = response.ok() && stats.Parse(response.body).ok();
  if (!answers || (tells && !(IsZero(stats.root(), "depth") && IsZero(stats.root(), "in_flight") &&
                              IsZero(stats.root(), "deferred")))) {
    drained_ = false;
  }
  if (--awaited_ > 0) return;
  const auto answer = std::move(answer_);
  answer(drained_);
}

}  // namespace rivulet
