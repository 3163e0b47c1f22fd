// Follows a pubsub: reads /sub, cuts it into messages, connects again for ever.
//
// Without positions it reads lines (multipart=0), and goes to the next URL whenever a connection
// ends; what was published meanwhile is missed.
//
// With positions (SourceConfig::positions) it asks for frames with positions, and a pubsub of ours
// answers so: Content-Type `application/vnd.rivulet.framed; offsets=1`. Then
//   - every connection goes on after the last message that was told, and begins where X-Offset
//   says:
//     nothing is missed and nothing told twice, as long as the source keeps its past. What it no
//     longer keeps is told as a gap;
//   - a URL that answered so is tried again before the next one: positions are a source's own, and
//     each URL has its own;
//   - a connection from which nothing came for three heartbeats is given up.
// What does not begin to answer in time is given up too, and the next URL is tried.
// Any other pubsub answers with lines (or 400, and is then asked for lines), and is read as without
// positions; heartbeats and the notice of a kick among its lines are no messages.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/event_loop.h"
#include "bridge/frame_splitter.h"
#include "bridge/line_splitter.h"
#include "bridge/source_url.h"
#include "http/client.h"

namespace rivulet {

struct SourceConfig {
  // As SourceUrl() gives them, with positions as PositionedSourceUrl() does; the next one after a
  // failure.
  std::vector<std::string> urls;
  std::size_t first = 0;  // the URL to begin with
  bool positions = false;
  std::vector<std::optional<std::uint64_t>> begin_at;  // for each URL, or empty
  std::vector<std::string> headers;                    // "Name: value"
  std::string ca_file;  // certificates to trust for https, in place of the system's
  std::size_t max_message_bytes = std::size_t{16} << 20;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration answer_timeout = std::chrono::seconds(30);  // for the head of an answer, after that
  Duration max_silence{};                              // zero: for ever
  BackoffConfig backoff;
  std::uint64_t seed = 0;
};

/// Where to go on.
struct SourcePosition {
  std::size_t url = 0;                // index in SourceConfig::urls
  std::optional<std::uint64_t> next;  // what `since=` is to say; nothing where there are none
};

/// Thread: the loop's. Must be destroyed before its client and sink.
class PubsubSource : private FrameSplitter::Sink {
 public:
  /// What the messages go to. Called from the loop; must not destroy the source.
  class Sink {
   public:
    virtual ~Sink() = default;
    /// The message is valid during the call. `after`: where to go on behind it.
    virtual void OnMessage(std::string_view message, const SourcePosition& after) = 0;
    virtual void OnTooLong(const SourcePosition& after) = 0;
    /// True when the source is to stop reading until Resume(). At most what one read brought
    /// (256 KiB) still comes.
    virtual bool full() const = 0;
    /// No message came for max_silence, while the source was read. (Heartbeats are no messages.)
    virtual void OnSilence() = 0;
    /// The source goes on here, without a message: it began, or there was a gap.
    virtual void OnPosition(const SourcePosition& /*position*/) {}
    /// Messages that the source no longer has; nothing when their number is not known.
    virtual void OnGap(std::optional<std::uint64_t> /*missed*/) {}
  };

  PubsubSource(EventLoop& loop, Client& client, SourceConfig config, Sink& sink);

  /// Connects, now and whenever the connection ends, until Stop().
  void Start();
  void Stop();
  /// Reads on after the sink was full. Nothing to do when it is being read.
  void Resume();

  bool paused() const { return paused_; }
  const std::string& url() const { return config_.urls[current_]; }
  /// Without its query, user and password, which are nobody's business.
  std::string shown_url() const {
    const std::string key = SourceKey(url());
    return key.substr(0, key.find('?'));
  }
  /// An answer with 200 is being read.
  bool connected() const { return call_.active() && code_ == 200; }
  /// Where this URL goes on behind the last message that was told; nothing where there are no
  /// positions.
  std::optional<std::uint64_t> next() const { return next_[current_]; }
  /// Messages in gaps, where their number was told.
  std::uint64_t missed() const { return missed_; }
  /// Tries to connect, beyond the first.
  std::uint64_t reconnects() const { return connects_ > 0 ? connects_ - 1 : 0; }

 private:
  struct Lines;

  void Connect();
  bool OnHead(const ClientResponse& head);
  ClientFlow OnData(std::string_view data);
  void OnEnd(const ClientResponse& response);
  void WatchSilence();
  void WatchAnswer();
  void WatchHeartbeats();
  void BeginAt(const ClientResponse& head);
  void TellGap(std::optional<std::uint64_t> missed);
  void GiveUp();
  void ChooseNext();
  SourcePosition position() const { return {current_, next_[current_]}; }

  // FrameSplitter::Sink.
  void OnFrame(std::uint64_t position, std::string_view message) override;
  void OnLongFrame(std::uint64_t position) override;
  void OnNotice(std::string_view notice) override;

  Client& client_;
  SourceConfig config_;
  PubsubSource::Sink& sink_;
  LineSplitter lines_;
  FrameSplitter frames_;
  JitterBackoff backoff_;
  Timer reconnect_;
  Timer silence_;
  Timer quiet_;  // until the head, then until the next heartbeat
  ClientCall call_;
  std::vector<std::optional<std::uint64_t>> next_;  // for each URL
  std::size_t current_ = 0;
  std::uint64_t connects_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t told_ = 0;  // messages, and such that were too long
  int code_ = 0;
  bool framed_ = false;    // this answer is of frames with positions
  bool by_lines_ = false;  // asked for lines, because positions were refused
  bool stopped_ = true;
  bool paused_ = false;
};

}  // namespace rivulet
