// One WebSocket (RFC 6455) between a connection and the two that use it: the source of what is
// sent, and the listener of what comes. Internal to http/; Reply::WebSocket makes it.
//
// To the connection it is the StreamSource whose bytes go out as they are; to the source it is the
// Stream. Its own words (pong, the listener's answer, close) are put between the source's frames:
// each is said once the source has nothing promised and stands between two messages.
//
// The end, whoever begins it:
//   the client closes, or breaks the protocol   the frame in hand, our close frame, the end
//   the source ends (its last bytes close)      what comes is dropped until the client's close, the
//                                               end
//   the client is too slow (KeepsPace)          as if it broke the protocol, by the connection
// with two seconds for it, then the connection is cut.
//
// Memory: beside the message that is being received, 9 KiB while a frame is half received and 0.3
// KiB otherwise. No I/O; the time is told. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/stream.h"
#include "http/websocket.h"

struct wslay_frame_context;
struct wslay_frame_iocb;

namespace rivulet {

class WebSocketSession final : public StreamSource, private Stream {
 public:
  /// `source` and `listener` may be null: then nothing but control frames and answers is sent, or
  /// messages are read over.
  WebSocketSession(std::unique_ptr<StreamSource> source,
                   std::unique_ptr<WebSocketListener> listener, const WebSocketLimits& limits);
  ~WebSocketSession() override;
  WebSocketSession(const WebSocketSession&) = delete;
  WebSocketSession& operator=(const WebSocketSession&) = delete;

  /// The next bytes from the client, cut anywhere. After Attached().
  void Receive(std::string_view bytes);
  /// Asked after each Receive(), and now and then: whether what is half received, a message or a
  /// frame, goes on at `min_bytes_per_second` of payload, after `grace`, however fast it was
  /// before. Control frames within a message are no part of it. True between messages.
  bool KeepsPace(MonoTime now, Duration grace, std::uint64_t min_bytes_per_second);
  /// The client could not be faster until now: the grace begins again.
  void ForgivePace() { paced_ = false; }
  /// Says close with this code and reason, once it may; what was gathered is freed, and nothing
  /// more is heard. May end the stream.
  void Refuse(std::uint16_t code, std::string_view reason);

  // StreamSource, for the connection.
  void Attached(Stream* stream) override;
  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override;
  void Consume(std::size_t bytes) override;
  void Drain() override;

 private:
  // Stream, for the source.
  void Wake() override { stream_->Wake(); }
  bool blocked() const override { return stream_->blocked(); }
  std::size_t promised_bytes() const override { return source_promised_bytes_; }
  void PauseReading(bool paused) override { stream_->PauseReading(paused); }
  void Abort() override { stream_->Abort(); }
  void EndWithin(Duration limit) override { stream_->EndWithin(limit); }
  std::string_view peer() const override { return stream_->peer(); }

  struct FreeFrames {
    void operator()(wslay_frame_context* context) const;
  };

  // A frame, be it of its first bytes, or a message; not within Receive().
  bool half_received() const { return frames_ != nullptr || message_opcode_ != 0; }
  bool listens() const { return close_.empty() && !close_received_; }
  bool words_waiting() const { return !pong_.empty() || !answer_.empty() || !close_.empty(); }

  std::size_t TakeInput(char* out, std::size_t max_bytes);
  void StartFrame(const wslay_frame_iocb& frame);
  void TakePayload(std::string_view payload);
  void EndFrame();
  void EndMessage();
  void OnClose();
  bool CheckText(bool ends);
  void FreeReceived();
  /// Says close with this code, once it may.
  void CloseWith(std::uint16_t code, std::string_view reason);
  void TakeWords();
  void OnSourceEnd();

  std::unique_ptr<StreamSource> source_;
  std::unique_ptr<WebSocketListener> listener_;  // goes before the source
  WebSocketLimits limits_;
  Stream* stream_ = nullptr;

  // Receiving.
  std::unique_ptr<wslay_frame_context, FreeFrames> frames_;  // while a frame is half received
  std::string_view input_;                                   // not yet given to frames_
  std::size_t unread_bytes_ = 0;     // given to frames_, not yet accounted for
  std::uint64_t frame_left_ = 0;     // payload of the frame in hand still to come
  std::uint64_t message_bytes_ = 0;  // of the message in hand, with all of the frame in hand
  std::string message_;              // what came of it; without a listener what is unchecked of it
  std::size_t checked_bytes_ = 0;    // of message_, known to be UTF-8
  std::string control_;              // payload of the control frame in hand
  std::uint8_t opcode_ = 0;          // of the frame in hand
  std::uint8_t message_opcode_ = 0;  // text or binary; 0 between messages
  bool in_frame_ = false;
  bool final_ = false;  // the frame in hand ends its message
  bool paced_ = false;  // what is half received must have come at a rate since pace_since_
  MonoTime pace_since_;
  std::uint64_t pace_bytes_ = 0;  // the message's payload since then

  // Sending.
  std::string pong_;
  std::string answer_;
  std::string close_;
  std::string words_;  // being said
  std::size_t words_sent_ = 0;
  std::size_t source_promised_bytes_ = 0;
  bool source_splits_message_ = false;
  bool source_ended_ = false;
  bool close_received_ = false;
  bool close_taken_ = false;  // words_ end with it, or did
};

}  // namespace rivulet
