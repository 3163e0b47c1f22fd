// Lets no more messages go than keep a queue as deep as it may become.
//
// It asks the queue for its depth (a JSON object with a field `depth`, as GET /stats?format=json of
// simplequeue answers) and grants what is missing to the most, less what is on its way: what was
// read and not delivered when the question was asked. So the queue is never deeper than that, as
// long as nobody else puts into it. While nothing is to be granted it asks again, every 10 ms at
// first, then more and more rarely, up to four times a second.
//
// Thread: the loop's. Must be destroyed before its client.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "http/client.h"

namespace rivulet {

struct DepthGateConfig {
  std::string url;
  std::uint64_t max_depth = 0;  // at least 1
  std::vector<std::string> headers;
  std::string ca_file;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration request_timeout = std::chrono::seconds(30);
};

/// The URL to ask for the depth of the queue that `destination` puts into: its host, /stats, and
/// the queue= of its query.
std::string DepthUrlOf(std::string_view destination);
/// The `depth` of an answer.
Result<std::uint64_t> DepthIn(const ClientResponse& response);

class DepthGate {
 public:
  /// `pending` counts the messages that were read and not delivered. `on_open` is called from the
  /// loop when Allowed() has become more than 0.
  DepthGate(EventLoop& loop, const Clock& clock, Client& client, DepthGateConfig config,
            std::function<std::uint64_t()> pending, std::function<void()> on_open);

  /// Messages that may be read now. At 0 the queue is asked.
  std::uint64_t Allowed();
  /// Must be allowed.
  void Take(std::uint64_t messages) { granted_ -= messages; }
  /// Asks no more.
  void Stop();

  /// The queue is too deep, or does not say how deep it is: since the last answer.
  bool waiting() const { return waiting_; }
  std::uint64_t last_depth() const { return last_depth_; }

 private:
  void Ask();
  void OnAnswer(const ClientResponse& response);
  void Log(std::string_view why);

  const Clock& clock_;
  Client& client_;
  DepthGateConfig config_;
  std::function<std::uint64_t()> pending_;
  std::function<void()> on_open_;
  ClientCall call_;
  Timer ask_;
  Duration delay_;
  std::uint64_t pending_when_asked_ = 0;
  std::uint64_t granted_ = 0;
  std::uint64_t last_depth_ = 0;
  bool waiting_ = false;
  MonoTime next_ask_{};
  MonoTime next_log_{};
};

}  // namespace rivulet
