#include "file_to_http/depth_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/json_field.h"
#include "base/log.h"
#include "base/units.h"
#include "bridge/source_url.h"

namespace rivulet {

namespace {

constexpr Duration kFirstDelay = std::chrono::milliseconds(10);
constexpr Duration kLongestDelay = std::chrono::milliseconds(250);
constexpr Duration kLogEvery = std::chrono::minutes(1);
constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{16} << 20;

// "&queue=NAME" as it stands in the query of the URL, or nothing.
std::string QueueIn(std::string_view url) {
  const auto query = url.find('?');
  if (query == std::string_view::npos) return "";
  std::string_view rest = url.substr(query + 1);
  rest = rest.substr(0, rest.find('#'));
  while (!rest.empty()) {
    const auto parameter = rest.substr(0, rest.find('&'));
    if (parameter.starts_with("queue=")) return fmt::format("&{}", parameter);
    rest.remove_prefix(std::min(parameter.size() + 1, rest.size()));
  }
  return "";
}

}  // namespace

std::string DepthUrlOf(std::string_view destination) {
  return fmt::format("{}/stats?format=json{}", destination.substr(0, EndOfHost(destination)),
                     QueueIn(destination));
}

Result<std::uint64_t> DepthIn(const ClientResponse& response) {
  const auto wrong = [&response](std::string_view why) {
    return Status(StatusCode::kUnavailable, fmt::format("{}: {}", response.endpoint, why));
  };
  if (!response.ok()) return Status(StatusCode::kUnavailable, response.Describe());
  JsonFieldReader reader("depth");
  switch (reader.Read(response.body)) {
    case JsonFieldReader::Found::kNotObject:
      return wrong("must answer a JSON object");
    case JsonFieldReader::Found::kAbsent:
      return wrong("must answer with a field \"depth\"");
    case JsonFieldReader::Found::kText:
      break;
  }
  const auto depth = ParseUint(reader.text());
  if (!depth.ok()) return wrong("\"depth\" " + depth.status().message());
  return *depth;
}

DepthGate::DepthGate(EventLoop& loop, const Clock& clock, Client& client, DepthGateConfig config,
                     std::function<std::uint64_t()> pending, std::function<void()> on_open)
    : clock_(clock),
      client_(client),
      config_(std::move(config)),
      pending_(std::move(pending)),
      on_open_(std::move(on_open)),
      ask_(loop, [this] { Ask(); }),
      delay_(kFirstDelay) {}

std::uint64_t DepthGate::Allowed() {
  if (granted_ == 0 && !call_.active() && !ask_.active()) {
    ask_.Start(std::max(Duration::zero(), next_ask_ - clock_.Now()));
  }
  return granted_;
}

void DepthGate::Stop() {
  call_.Cancel();
  ask_.Cancel();
}

void DepthGate::Ask() {
  ClientRequest request;
  request.url = config_.url;
  request.headers = config_.headers;
  request.ca_file = config_.ca_file;
  request.connect_timeout = config_.connect_timeout;
  request.timeout = config_.request_timeout;
  request.max_body_bytes = kMaxAnswerBytes;
  pending_when_asked_ = pending_();
  call_ = client_.Start(std::move(request),
                        [this](const ClientResponse& response) { OnAnswer(response); });
}

void DepthGate::OnAnswer(const ClientResponse& response) {
  const auto depth = DepthIn(response);
  if (depth.ok()) last_depth_ = *depth;
  const std::uint64_t taken = last_depth_ + pending_when_asked_;
  const bool open = depth.ok() && taken < config_.max_depth;
  waiting_ = !depth.ok() || last_depth_ >= config_.max_depth;
  if (!depth.ok()) {
    Log(depth.status().message());
  } else if (waiting_) {
    Log(fmt::format("the queue holds {} messages, and --max-queue-depth is {}", last_depth_,
                    config_.max_depth));
  }
  // Also what is granted bit by bit is not asked for more often than that.
  delay_ = open ? kFirstDelay : std::min(delay_ * 2, kLongestDelay);
  next_ask_ = clock_.Now() + delay_;
  if (!open) return ask_.Start(delay_);
  granted_ = config_.max_depth - taken;
  on_open_();
}

void DepthGate::Log(std::string_view why) {
  if (clock_.Now() < next_log_) return;
  next_log_ = clock_.Now() + kLogEvery;
  LogInfo("waiting for the queue: {}", why);
}

}  // namespace rivulet
