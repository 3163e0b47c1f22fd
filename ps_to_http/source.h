// Follows a pubsub: reads /sub?multipart=0, cuts it into messages, connects again for ever.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/event_loop.h"
#include "http/client.h"
#include "ps_to_http/line_splitter.h"

namespace rivulet {

struct SourceConfig {
  std::vector<std::string> urls;     // as SourceUrl() gives them; the next one after a failure
  std::vector<std::string> headers;  // "Name: value"
  std::size_t max_message_bytes = std::size_t{16} << 20;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration max_silence{};  // zero: for ever
  BackoffConfig backoff;
  std::uint64_t seed = 0;
};

/// Thread: the loop's. Must be destroyed before its client and sink.
class PubsubSource {
 public:
  /// What the messages go to. Called from the loop; must not destroy the source.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void OnMessage(std::string_view message) = 0;  // valid during the call
    virtual void OnTooLong() = 0;
    /// True when the source is to stop reading until Resume(). At most what one read brought
    /// (256 KiB) still comes.
    virtual bool full() const = 0;
    /// No message came for max_silence, while the source was read.
    virtual void OnSilence() = 0;
  };

  PubsubSource(EventLoop& loop, Client& client, SourceConfig config, Sink& sink);

  /// Connects, now and whenever the connection ends, until Stop().
  void Start();
  void Stop();
  /// Reads on after the sink was full. Nothing to do when it is being read.
  void Resume();

  bool paused() const { return paused_; }
  const std::string& url() const { return config_.urls[current_]; }

 private:
  struct Counted;

  void Connect();
  ClientFlow OnData(std::string_view data);
  void OnEnd(const ClientResponse& response);
  void WatchSilence();

  Client& client_;
  SourceConfig config_;
  Sink& sink_;
  LineSplitter splitter_;
  JitterBackoff backoff_;
  Timer reconnect_;
  Timer silence_;
  ClientCall call_;
  std::size_t current_ = 0;
  int code_ = 0;
  bool stopped_ = true;
  bool paused_ = false;
};

}  // namespace rivulet
