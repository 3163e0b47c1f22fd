// Publishing over a WebSocket: every message of the client is published, and it is told by text
// frames how far that is safe:
//
//   {"published":N,"offset":M}     N messages of this connection are published and as safe as
//   --sync
//                                  says; M is the offset of the last of them. Cumulative: a client
//                                  that does not read is later told the newest number alone.
//
// What cannot be published ends the connection: close 1011 and the reason. What was not told as
// published by then may or may not be. When the daemon drains, what was received is published and
// told, later messages are dropped, and the end is close 1001.
//
// A client that is faster than the disk is not read while some MiB of its messages are not safe.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "http/stream.h"
#include "http/websocket.h"
#include "pubsub/params.h"
#include "pubsub/publisher.h"

namespace rivulet {

/// What the client is told.
class PublishAnswers final : public StreamSource, private CommitListener {
 public:
  /// `publisher` must outlive it.
  explicit PublishAnswers(Publisher* publisher) : publisher_(publisher) {}
  ~PublishAnswers() override { publisher_->Forget(this); }

  struct Batch {
    std::uint64_t messages = 0;
    std::uint64_t last_offset = 0;
    std::size_t bytes = 0;
  };

  /// These were published.
  void Published(const Batch& batch);
  /// Nothing more is published; the client is told why.
  void Fail(const Status& why);
  /// Messages are no longer taken.
  bool ended() const { return !close_.empty() || draining_; }

  // StreamSource.
  void Attached(Stream* stream) override { stream_ = stream; }
  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override;
  void Consume(std::size_t bytes) override;
  void Drain() override;

 private:
  struct Progress {
    std::uint64_t published = 0;
    std::uint64_t last_offset = 0;
  };
  struct Commit {
    std::uint64_t number = 0;
    Progress progress;  // once it is complete
  };

  void OnAppended(std::uint64_t commit) override { commits_.push_back({commit, all_}); }
  bool OnSafe(std::uint64_t commit) override;
  void OnUnsafe(const Status& why) override { Fail(why); }
  void PauseReading(bool paused);
  void NextFrame();

  Publisher* publisher_;
  Stream* stream_ = nullptr;
  Progress all_;
  Progress safe_;
  std::deque<Commit> commits_;    // not complete
  std::uint64_t told_ = 0;        // of safe_.published
  std::size_t unsafe_bytes_ = 0;  // since all was safe
  bool paused_ = false;           // the client is not read until all is
  std::string frame_;             // in hand
  std::size_t frame_sent_ = 0;
  std::string close_;  // the frame that ends it
  bool draining_ = false;
  bool last_ = false;  // the frame in hand is the last
};

/// What the client sends.
class PublishSocket final : public WebSocketListener {
 public:
  /// Both must outlive it. params.format: whole or lines.
  PublishSocket(Publisher* publisher, PublishParams params, PublishAnswers* answers);

  std::string OnMessage(std::string_view payload, bool text) override;

 private:
  Publisher* publisher_;
  PublishParams params_;
  PublishAnswers* answers_;
};

}  // namespace rivulet
