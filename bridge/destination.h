// Sends a destination its batches, and reads what became of them.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "http/client.h"
#include "bridge/forwarder.h"
#include "bridge/destination_url.h"

namespace rivulet {

struct DestinationConfig {
  bool post = false;
  std::string post_url;  // of a POST
  GetUrl get_url;        // of a GET
  bool batched = false;  // POST messages with a newline after each, as /mput takes them
  std::vector<std::string> headers;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration request_timeout = std::chrono::seconds(30);
};

/// What an answer means for the messages it answers.
enum class DeliveryVerdict {
  kDelivered,
  kRetry,         // no answer, 408, 429, 5xx and whatever else is neither 2xx nor 4xx
  kRefused,       // 4xx: will not get better
  kRefusedBatch,  // 400, 413, 414, 422: one of the messages may be meant
};
DeliveryVerdict Judge(const ClientResponse& response);
/// How long a Retry-After asks to wait: seconds, at most five minutes; zero when there is none.
Duration RetryAfter(const ClientResponse& response);

/// Thread: the loop's. Must be destroyed before its client and forwarder.
class Destination {
 public:
  /// `on_progress` is called after an answer was given to the forwarder.
  Destination(EventLoop& loop, const Clock& clock, Client& client, Forwarder& forwarder,
              std::size_t index, DestinationConfig config, std::function<void()> on_progress);

  /// Sends what the forwarder has for this destination now. To be called after every change there.
  void Pump();

 private:
  struct Sent {
    MessageBatch batch;
    ClientCall call;
  };

  void Send(MessageBatch batch);
  void OnAnswer(std::list<Sent>::iterator sent, const ClientResponse& response);
  void LogRefusal(const ClientResponse& response, std::uint64_t messages);

  const Clock& clock_;
  Client& client_;
  Forwarder& forwarder_;
  std::size_t index_;
  DestinationConfig config_;
  std::function<void()> on_progress_;
  Timer wake_;
  std::list<Sent> sent_;
  std::uint64_t failures_ = 0;  // since the last answer that was none
  std::uint64_t refusals_not_logged_ = 0;
  MonoTime next_refusal_log_{};
};

}  // namespace rivulet
