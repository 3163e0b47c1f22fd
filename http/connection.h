// One client's connection: reads requests, dispatches them, writes answers and streams. Internal to
// http/; made and owned by Server.
//
// States, and what moves between them:
//   kHead       a request head is awaited or half read         -> kBody, dispatch, kLingering
//   kBody       a request's body is being read, or handed on    -> dispatch, kLingering
//               as it comes (Upload)
//   kDeferred   a handler owes the answer (PendingReply)        -> kHead
//   kStreaming  a StreamSource is being pulled                  -> kHead, closed
//               (a WebSocket is one too, but hears the client all the while, and ends in
//               kLingering)
//   kLingering  the last answer is said; what the client still sends is read and dropped, so that a
//               reset does not overtake the answer              -> closed
// In every state, while the client does not take what is said to it (`blocked_`) nothing is read or
// executed: back pressure.
//
// Held answers (Reply::HoldUntil). From the first of them on, everything said stays in `unsent_`,
// in order, until its mark is released. Requests are read and served meanwhile, up to a bound
// (`hold_full_`); a stream waits. Answers are held in at most two groups, as a group commit makes
// them: those of the commit that is being made safe, and the later ones, which leave together once
// the greatest of their marks is released.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/chunk_decoder.h"
#include "http/reply.h"
#include "http/request_parser.h"
#include "http/stream.h"
#include "http/upload.h"

namespace rivulet {

class Server;
class Request;
class WebSocketSession;
struct Route;

class Connection final : public Stream {
 public:
  /// Takes over `fd`.
  Connection(Server& server, int fd, std::string peer);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Stream.
  void Wake() override;
  bool blocked() const override { return blocked_ || hold_count_ > 0; }
  std::size_t promised_bytes() const override { return promised_bytes_; }
  void Abort() override { Close(); }
  void EndWithin(Duration limit) override;
  void PauseReading(bool paused) override;
  std::string_view peer() const override { return peer_; }

  /// Ends what has run out of time. Called a few times a second.
  void CheckDeadline(MonoTime now);
  /// Closes now when idle, else after what is running.
  void Drain();
  /// Answers 503 and closes: there are too many connections.
  void Refuse();

  /// What is said from here on stays until LetGo() of that mark. `request` may be nullptr.
  void HoldUntil(std::uint64_t mark, const Request* request);
  /// Sends what was held for marks up to this one. Calls nothing of others.
  void LetGo(std::uint64_t mark);
  /// What is held becomes this error, and the connection's last word.
  void FailHeld(int status, std::string_view message);

 private:
  friend class PendingReply;
  friend class Reply;
  friend class Server;

  enum class State : std::uint8_t { kHead, kBody, kDeferred, kStreaming, kLingering, kClosed };

  // Answers are written out, or no more are held, when so many bytes or requests have been served,
  // so that what a client that never reads can make us keep is bounded (P8).
  static constexpr std::size_t kFlushBytes = 256 * 1024;
  static constexpr int kMaxPipelined = 64;

  // Answers that leave together.
  struct Hold {
    std::uint64_t mark = 0;
    std::size_t begin = 0;  // of the first of them, in unsent_
    int answers = 0;        // with those behind it that need no hold
    // How the first of them was asked for.
    bool is_head = false;
    bool wants_json = false;
  };

  void OnReadable();
  void OnWritable();

  // Reading (connection.cc, connection_body.cc).
  std::size_t Serve(std::string_view input);
  bool ServeBatch(std::string_view input, std::size_t* used);
  bool ReadHead(std::string_view input, std::size_t* used);
  void ServeReadAhead();
  bool StartBody(std::string_view input, std::size_t* used);
  bool ReadBody(std::string_view input, std::size_t* used);
  bool ReadUpload(std::string_view input, std::size_t* used);
  void OpenUpload();
  void CountUploaded(std::size_t bytes);
  void AwaitUpload(std::size_t bytes);
  void DrainUpload();
  void FailUpload(int status, std::string_view reason);
  void CheckBodyRate(MonoTime now);
  void ReceiveWebSocket(std::string_view bytes);
  void CheckMessageRate(MonoTime now);

  // Dispatching (connection_dispatch.cc).
  /// `handle` answers: it is called with a Request and a Reply.
  template <typename Handle>
  void Call(const char* head_base, std::string_view body, const Handle& handle);
  std::string_view Path(const char* head_base);
  void Dispatch(const char* head_base, std::string_view body);
  void AfterCall();
  /// The route that the request may use; nullptr when this has answered.
  Route* Admit(const Request& request, Reply& reply);
  void AnswerOptions(const Request& request, Reply& reply, MethodSet methods);
  void AddCorsHeaders(const Request& request, Reply& reply) const;
  /// Answers an error that ends the connection.
  void FailRequest(int status, std::string_view reason);

  // Writing (connection_write.cc).
  void Flush(std::string* out);
  bool FlushUnsent();
  void ObserveServed();
  void AfterAnswer();
  void ShutDownWhenSaid();
  void SendPending(int status, std::string_view content_type, std::string_view body,
                   std::string_view extra_headers, bool is_head);
  void Pump();
  bool WriteStreamPart(std::size_t* written);
  void AccountStreamPart(std::size_t bytes);
  void EndStream();
  void SetBlocked(bool blocked);
  void UpdateReading();
  void WatchPeer();
  /// False when it has closed or broken its side: asks the socket.
  bool PeerListens() const;
  void Close();
  void Release();

  // Holding (connection_hold.cc).
  void CountHeld();
  void GoOn();
  void DropOwed();
  /// What may be sent of unsent_.
  std::size_t sendable_bytes() const {
    return hold_count_ == 0 ? unsent_.size() : std::min(holds_[0].begin, unsent_.size());
  }

  /// Nothing is half read, owed or unsent.
  bool idle() const {
    return state_ == State::kHead && !parser_.started() && unsent_.empty() && read_ahead_.empty();
  }
  /// Nothing more is said to a client that will not send any more, or once the daemon goes down.
  bool finished() const;

  Server& server_;
  int fd_;
  State state_ = State::kHead;
  bool blocked_ = false;
  bool reading_ = true;
  bool close_after_answer_ = false;
  bool dispatching_ = false;
  bool http11_ = true;
  bool in_message_ = false;  // of upload_: since since_, with upload_bytes_ of it
  bool source_ended_ = false;
  bool pumping_ = false;
  bool said_last_word_ = false;  // kLingering, and everything is sent
  bool half_closed_ = false;     // the client will send no more, and waits for held answers
  bool hold_full_ = false;       // no further request is read before a release
  bool read_paused_ = false;     // a stream's client is not read
  std::uint8_t hold_count_ = 0;  // of holds_
  std::uint8_t frame_size_ = 0;  // of the chunk header, or of the last chunk
  std::uint8_t frame_sent_ = 0;
  std::uint8_t suffix_left_ = 0;  // of the CRLF after a chunk
  char frame_[20];
  std::size_t promised_bytes_ = 0;
  std::size_t index_ = 0;  // in server_.connections_
  MonoTime since_;         // when the present wait began
  MonoTime end_by_ = MonoTime::max();
  PendingReply* pending_ = nullptr;
  std::unique_ptr<StreamSource> source_;
  WebSocketSession* websocket_ = nullptr;  // source_, when it is one
  std::unique_ptr<Upload> upload_;
  std::uint64_t upload_bytes_ = 0;
  std::size_t upload_unsafe_bytes_ = 0;  // received since it was last asked what is safe
  std::string peer_;
  std::string read_ahead_;  // received, not yet used: part of a head, or further requests
  std::string head_bytes_;  // the head of the request whose body is being read
  std::string body_;
  std::string unsent_;
  std::size_t unsent_offset_ = 0;
  std::array<Hold, 2> holds_;
  std::size_t hold_index_ = 0;  // in server_.holding_, while hold_count_ > 0
  RequestParser parser_;
  ChunkDecoder decoder_;
  event read_event_;
  event write_event_;
};

}  // namespace rivulet
