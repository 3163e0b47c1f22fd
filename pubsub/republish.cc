#include "pubsub/republish.h"

#include <fmt/format.h>

#include <utility>

#include "base/json.h"
#include "base/log.h"

namespace rivulet {

namespace {
// How long what was refused waits for another try.
constexpr BackoffConfig kRetry{std::chrono::milliseconds(50), std::chrono::seconds(2)};

bool MayHeal(StatusCode code) {
  return code == StatusCode::kExhausted || code == StatusCode::kUnavailable ||
         code == StatusCode::kIoError;
}
}  // namespace

Result<std::unique_ptr<Republisher>> Republisher::Make(RepublishConfig config, EventLoop& loop,
                                                       const Clock& clock, Publish publish) {
  Parts parts;
  if (!config.transform.empty()) {
    auto transform = Transform::Make(std::move(config.transform));
    if (!transform.ok()) return transform.status();
    parts.transform = std::move(transform).value();
  }
  if (!config.offset_file.empty()) {
    auto file = PositionFile::Open(config.offset_file, config.source.urls, loop, clock);
    if (!file.ok()) return file.status();
    parts.file = std::move(file).value();
    config.source.begin_at = parts.file->positions();
  }
  parts.source = std::move(config.source);
  return std::make_unique<Republisher>(std::move(parts), loop, std::move(publish));
}

Republisher::Republisher(Parts parts, EventLoop& loop, Publish publish)
    : publish_(std::move(publish)),
      transform_(std::move(parts.transform)),
      file_(std::move(parts.file)),
      client_(loop),
      backoff_(kRetry, parts.source.seed + 1),
      retry_(loop, [this] { TryAgain(); }),
      source_(loop, client_, std::move(parts.source), *this) {}

Republisher::~Republisher() = default;

void Republisher::Start() { source_.Start(); }

void Republisher::Stop() {
  source_.Stop();
  retry_.Cancel();
  if (!file_) return;
  if (Status status = file_->Close(); !status.ok()) LogError("{}", status.message());
}

void Republisher::OnMessage(std::string_view message, const SourcePosition& after) {
  ++counts_.received;
  if (waiting_.empty() && Take(message)) return Passed(after);
  if (waiting_.empty()) retry_.Start(backoff_.Next());
  waiting_.push_back({std::string(message), after});
}

void Republisher::OnTooLong(const SourcePosition& after) {
  ++counts_.received;
  ++counts_.dropped_too_long;
  OnPosition(after);
}

void Republisher::OnPosition(const SourcePosition& position) {
  // What waits must not be passed over: the position of the last of it then is behind this one.
  if (waiting_.empty()) {
    Passed(position);
  } else {
    waiting_.back().after = position;
  }
}

void Republisher::OnGap(std::optional<std::uint64_t> missed) {
  ++counts_.gaps;
  counts_.missed += missed.value_or(0);
}

bool Republisher::Take(std::string_view message) {
  if (!transform_) return PublishOne(message, false);
  switch (transform_->Apply(message, &changed_)) {
    case Transform::Outcome::kUnchanged:
      return PublishOne(message, false);
    case Transform::Outcome::kChanged:
      return PublishOne(changed_, true);
    case Transform::Outcome::kNotJson:
      ++counts_.dropped_not_json;
      return true;
    case Transform::Outcome::kUnexpected:
      ++counts_.dropped_unexpected;
      return true;
  }
  return true;
}

bool Republisher::PublishOne(std::string_view body, bool changed) {
  const Status status = publish_(body);
  if (status.ok()) {
    ++counts_.republished;
    counts_.changed += changed ? 1 : 0;
    return true;
  }
  if (MayHeal(status.code())) {
    if (backoff_.failures() == 0) {
      LogWarning("republishing waits: {}", status.message());
    }
    return false;
  }
  if (status.code() == StatusCode::kTooLarge) {
    ++counts_.dropped_too_long;
  } else if (++counts_.dropped_refused == 1) {
    LogWarning("a message of {} was dropped: {}", source_url(), status.message());
  }
  return true;
}

void Republisher::TryAgain() {
  while (!waiting_.empty()) {
    if (!Take(waiting_.front().body)) return retry_.Start(backoff_.Next());
    const SourcePosition after = waiting_.front().after;
    waiting_.pop_front();
    Passed(after);
  }
  if (backoff_.failures() > 0) LogInfo("republishing goes on");
  backoff_.Reset();
  source_.Resume();
}

void Republisher::Passed(const SourcePosition& after) {
  if (!file_ || !after.next) return;
  const std::uint64_t commit = last_commit_ ? last_commit_() : 0;
  if (commit <= committed_ && uncommitted_.empty()) {
    file_->Set(after.url, *after.next);
  } else if (!uncommitted_.empty() && uncommitted_.back().commit == commit &&
             uncommitted_.back().after.url == after.url) {
    uncommitted_.back().after = after;
  } else {
    uncommitted_.push_back({commit, after});
  }
}

void Republisher::OnCommitted(std::uint64_t commit) {
  committed_ = commit;
  while (!uncommitted_.empty() && uncommitted_.front().commit <= commit) {
    const SourcePosition after = uncommitted_.front().after;
    uncommitted_.pop_front();
    if (after.next) file_->Set(after.url, *after.next);
  }
}

std::string Republisher::StatsJson() const {
  std::string json = "{\"source\":";
  AppendJsonString(&json, source_url());
  json += fmt::format(
      ",\"connected\":{},\"waiting\":{},\"received\":{},\"republished\":{},\"changed\":{},"
      "\"dropped_not_json\":{},\"dropped_unexpected\":{},\"dropped_too_long\":{},"
      "\"dropped_refused\":{},\"gaps\":{},\"missed\":{},\"reconnects\":{}}}",
      connected(), waiting(), counts_.received, counts_.republished, counts_.changed,
      counts_.dropped_not_json, counts_.dropped_unexpected, counts_.dropped_too_long,
      counts_.dropped_refused, counts_.gaps, counts_.missed, reconnects());
  return json;
}

void Republisher::AddMetrics(MetricRegistry* registry) {
  const auto counter = [&](const char* name, const char* help, const std::uint64_t& count,
                           MetricLabels labels = {}) {
    registry->AddCounterFunction(
        std::string("rivulet_pubsub_republish_") + name, help,
        [&count] { return static_cast<double>(count); }, std::move(labels));
  };
  counter("received_total", "Messages that came from the source.", counts_.received);
  counter("republished_total", "Messages of the source that were published.", counts_.republished);
  counter("changed_total", "Of those, with fields removed or hashed.", counts_.changed);
  const char* dropped = "Messages of the source that were not published, by reason.";
  counter("dropped_total", dropped, counts_.dropped_not_json, {{"reason", "not_json"}});
  counter("dropped_total", dropped, counts_.dropped_unexpected, {{"reason", "unexpected"}});
  counter("dropped_total", dropped, counts_.dropped_too_long, {{"reason", "too_long"}});
  counter("dropped_total", dropped, counts_.dropped_refused, {{"reason", "refused"}});
  counter("gaps_total", "Times the source no longer had what was to come next.", counts_.gaps);
  counter("missed_total", "Messages in those gaps, where their number is known.", counts_.missed);
  registry->AddCounterFunction("rivulet_pubsub_republish_reconnects_total",
                               "Connections to the source, tries too, beyond the first.",
                               [this] { return static_cast<double>(reconnects()); });
  registry->AddGaugeFunction("rivulet_pubsub_republish_connected",
                             "1 while the source is being received.",
                             [this] { return connected() ? 1.0 : 0.0; });
}

}  // namespace rivulet
