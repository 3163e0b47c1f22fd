// Sends a destination its batches, and reads what became of them.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/metrics.h"
#include "bridge/dead_letters.h"
#include "bridge/destination_url.h"
#include "bridge/forwarder.h"
#include "http/client.h"

namespace rivulet {

struct DestinationConfig {
  bool post = false;
  std::string post_url;  // of a POST
  GetUrl get_url;        // of a GET
  /// POST several messages with a newline after each, as /mput and /pub take them. Messages that
  /// cannot stand so (empty, or with a newline inside) go as format=framed, `BYTES\n` MESSAGE `\n`.
  bool batched = false;
  std::vector<std::string> headers;
  std::string ca_file;   // certificates to trust for https, in place of the system's
  bool gzip = false;     // of bodies: Content-Encoding: gzip
  bool dry_run = false;  // prints what it would send, and takes that for delivered
  Duration connect_timeout = std::chrono::seconds(5);
  Duration request_timeout = std::chrono::seconds(30);
};

/// What an answer means for the messages it answers.
enum class DeliveryVerdict : std::uint8_t {
  kDelivered,     // 2xx
  kRetry,         // no answer, 408, 429, 5xx and whatever else is neither 2xx nor 4xx
  kRefused,       // 4xx: will not get better
  kRefusedBatch,  // 400, 413, 414, 422: one of the messages may be meant
};
DeliveryVerdict Judge(const ClientResponse& response);
/// How long a Retry-After asks to wait (RFC 9110, 10.2.3: seconds, or a date as in
/// "Sun, 06 Nov 1994 08:49:37 GMT"), at most five minutes; zero when there is none.
Duration RetryAfter(const ClientResponse& response, WallTime now);
/// The request for a batch; its body shares the batch's bytes where it can. Not for a dry run.
ClientRequest MakeDeliveryRequest(const DestinationConfig& config, const MessageBatch& batch);

/// The state of a circuit breaker, as operators know it: kClosed, all is well; kOpen, it fails, and
/// nothing is sent before the backoff ends; kHalfOpen, one request finds out.
enum class Circuit : std::uint8_t { kClosed, kOpen, kHalfOpen };
std::string_view CircuitName(Circuit circuit);  // "closed", "open", "half-open"

/// Of one destination since the start. Messages, but where it says requests.
struct DestinationStats {
  std::uint64_t delivered = 0;
  std::uint64_t refused = 0;   // went to the dead letters, or were lost
  std::uint64_t requests = 0;  // answered or failed
  std::uint64_t retries = 0;   // requests that failed and were, or will be, sent again
  std::uint64_t resent = 0;  // messages in them that may have been taken: sent, and no answer came
  std::string last_error;    // one line, empty when there was none
  WallTime last_error_time{};
};

/// Thread: the loop's. Must be destroyed before its client and forwarder.
class Destination {
 public:
  /// `on_progress` is called after an answer was given to the forwarder, and when it is time to ask
  /// it again: all destinations are to be pumped then. `dead_letters` may be nullptr: then refused
  /// messages are lost, and counted.
  Destination(EventLoop& loop, const Clock& clock, Client& client, Forwarder& forwarder,
              std::size_t index, DestinationConfig config, DeadLetters* dead_letters,
              std::function<void()> on_progress);

  /// Sends what the forwarder has for this destination now. To be called after every change there.
  /// True when something was sent.
  bool Pump();

  const DestinationStats& stats() const { return stats_; }
  /// From sending a request to its answer.
  const LatencyHistogram& latency() const { return latency_; }
  Circuit circuit() const;
  /// "POST http://host:port/path", without the query.
  const std::string& endpoint() const { return endpoint_; }

 private:
  struct Sent {
    MessageBatch batch;
    ClientCall call;
    MonoTime at{};
  };

  void Send(MessageBatch batch);
  void PrintRequest(const MessageBatch& batch);
  void OnAnswer(std::list<Sent>::iterator sent, const ClientResponse& response);
  void OnDelivered(const MessageBatch& batch, const ClientResponse& response);
  void OnRefused(const MessageBatch& batch, const ClientResponse& response, bool split);
  void OnFailed(const MessageBatch& batch, const ClientResponse& response);
  bool WriteDeadLetters(const MessageBatch& batch, const ClientResponse& response);
  std::string Describe(const ClientResponse& response) const;
  void LogRecovery(const ClientResponse& response);
  void LogFailure(const ClientResponse& response, MonoTime now);
  void LogRefusal(const ClientResponse& response, std::uint64_t messages);

  const Clock& clock_;
  Client& client_;
  Forwarder& forwarder_;
  std::size_t index_;
  DestinationConfig config_;
  DeadLetters* dead_letters_;
  std::function<void()> on_progress_;
  std::string endpoint_;
  DestinationStats stats_;
  LatencyHistogram latency_;
  Timer wake_;
  MonoTime wake_at_{};  // when wake_ is active
  std::list<Sent> sent_;
  std::uint64_t failures_ = 0;  // since the last answer that was none
  std::uint64_t refusals_not_logged_ = 0;
  MonoTime next_refusal_log_{};
};

}  // namespace rivulet
