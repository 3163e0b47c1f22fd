// The writing half of Connection: answers, streams, back pressure.
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "http/connection.h"
#include "http/server.h"

namespace rivulet {

namespace {

constexpr std::size_t kPieces = 16;
// What one stream may write, and how long it may take for that, before the others have their turn:
// hundreds of them may replay at once.
constexpr std::size_t kStreamTurnBytes = 128 * 1024;
constexpr Duration kStreamTurn = std::chrono::microseconds(500);
constexpr std::size_t kMaxReadAheadBytes = 64 * 1024;
constexpr std::size_t kKeptBufferBytes = 1024 * 1024;
constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace

void Connection::Flush(std::string* out) {
  if (out->empty() || state_ == State::kClosed) {
    out->clear();
  } else if (hold_count_ > 0 || !unsent_.empty()) {
    unsent_.append(*out);
  } else {
    const ssize_t sent = send(fd_, out->data(), out->size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      Close();
    } else if (sent < static_cast<ssize_t>(out->size())) {
      unsent_.assign(*out, static_cast<std::size_t>(sent < 0 ? 0 : sent));
      unsent_offset_ = 0;
      since_ = server_.clock_.Now();
      SetBlocked(true);
    }
  }
  out->clear();
  if (out->capacity() > kKeptBufferBytes) std::string().swap(*out);
  ObserveServed();
  ShutDownWhenSaid();
}

// Returns whether everything that may be sent now was.
bool Connection::FlushUnsent() {
  const std::size_t end = sendable_bytes();
  if (unsent_offset_ == end) return true;
  const std::size_t left = end - unsent_offset_;
  const ssize_t sent = send(fd_, unsent_.data() + unsent_offset_, left, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno != EAGAIN && errno != EINTR) Close();
    if (state_ != State::kClosed) SetBlocked(true);
    return false;
  }
  since_ = server_.clock_.Now();
  if (static_cast<std::size_t>(sent) < left) {
    unsent_offset_ += static_cast<std::size_t>(sent);
    SetBlocked(true);
    return false;
  }
  unsent_offset_ = 0;
  if (end == unsent_.size()) {
    std::string().swap(unsent_);
  } else {
    unsent_.erase(0, end);
  }
  for (Hold& hold : holds_) hold.begin -= std::min(hold.begin, end);
  ShutDownWhenSaid();
  return true;
}

void Connection::OnWritable() {
  if (!FlushUnsent() || state_ == State::kClosed) return;
  SetBlocked(false);
  server_.now_ = server_.clock_.Now();
  if (state_ == State::kStreaming) {
    Pump();
  } else if (state_ == State::kHead || state_ == State::kBody) {
    ServeReadAhead();
  }
  if (finished()) Close();
}

void Connection::ObserveServed() {
  if (server_.served_routes_.empty()) return;
  const Duration elapsed = server_.clock_.Now() - server_.now_;
  for (Route* route : server_.served_routes_) {
    route->latency->Observe(elapsed, route->served_in_batch);
    route->served_in_batch = 0;
  }
  server_.served_routes_.clear();
}

// The answer's bytes are in `out_` or unsent_: on to the next request, or to the end.
void Connection::AfterAnswer() {
  since_ = server_.now_;
  state_ = close_after_answer_ ? State::kLingering : State::kHead;
  if (hold_count_ > 0) CountHeld();
}

void Connection::ShutDownWhenSaid() {
  if (state_ != State::kLingering || said_last_word_ || !unsent_.empty()) return;
  said_last_word_ = true;
  since_ = server_.clock_.Now();
  shutdown(fd_, SHUT_WR);
  SetBlocked(false);
}

void Connection::SetBlocked(bool blocked) {
  if (state_ == State::kClosed) return;
  if (blocked != blocked_) {
    blocked_ = blocked;
    if (blocked) {
      event_add(&write_event_, nullptr);
    } else {
      event_del(&write_event_);
    }
  }
  UpdateReading();
}

// A client that is answered later or streamed to is read from only to see it go, one whose answers
// are not read not at all.
void Connection::UpdateReading() {
  bool wanted = (!blocked_ && !hold_full_) || said_last_word_;
  if (state_ == State::kStreaming || state_ == State::kDeferred)
    wanted = !read_paused_ && read_ahead_.size() < kMaxReadAheadBytes;  // of a WebSocket nothing is
  if (half_closed_) wanted = false;
  if (wanted == reading_) return;
  reading_ = wanted;
  if (wanted) {
    event_add(&read_event_, nullptr);
  } else {
    event_del(&read_event_);
  }
}

// A subscriber that has lost its network says nothing, for ever; the kernel asks after it.
void Connection::WatchPeer() {
  const int on = 1;
  const int idle_seconds = 60;
  const int interval_seconds = 15;
  const int probes = 4;
  if (setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0) return;
  setsockopt(fd_, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  setsockopt(fd_, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
  setsockopt(fd_, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

bool Connection::PeerListens() const {
  pollfd asked{fd_, POLLRDHUP, 0};
  return poll(&asked, 1, 0) == 0;
}

void Connection::SendPending(int status, std::string_view content_type, std::string_view body,
                             std::string_view extra_headers, bool is_head) {
  pending_ = nullptr;
  server_.RenewDate();
  std::string& out = dispatching_ ? server_.out_ : unsent_;
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n{}", status, ReasonPhrase(status),
                 server_.date_line_);
  if (status != 204) fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body.size());
  if (!body.empty()) out.append("Content-Type: ").append(content_type).append("\r\n");
  out.append(extra_headers);
  if (close_after_answer_) {
    out.append("Connection: close\r\n");
  } else if (!http11_) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  if (!is_head) out.append(body);
  ++server_.stats_.answers[static_cast<std::size_t>(status / 100)];
  if (dispatching_) return;  // Dispatch goes on with AfterAnswer
  server_.now_ = server_.clock_.Now();
  AfterAnswer();
  FlushUnsent();
  // What was read ahead is served from the loop, not from inside whoever answers here.
  if (state_ == State::kHead && !read_ahead_.empty()) SetBlocked(true);
  if (state_ != State::kClosed) UpdateReading();
}

void Connection::Wake() {
  if (state_ == State::kStreaming && !blocked()) Pump();
}

void Connection::PauseReading(bool paused) {
  read_paused_ = paused;
  UpdateReading();
}

void Connection::EndWithin(Duration limit) { end_by_ = server_.clock_.Now() + limit; }

void Connection::Pump() {
  if (pumping_) return;
  pumping_ = true;
  std::size_t written = 0;
  MonoTime turn_end{};  // known once there is more than one part to write: most often there is not
  while (state_ == State::kStreaming && !blocked() && WriteStreamPart(&written)) {
    const MonoTime now = server_.clock_.Now();
    if (turn_end == MonoTime{}) turn_end = now + kStreamTurn;
    // Goes on when the loop comes by again.
    if (written >= kStreamTurnBytes || now >= turn_end) SetBlocked(true);
  }
  pumping_ = false;
}

// Writes at most one gathering. Returns false when there is nothing to write now.
bool Connection::WriteStreamPart(std::size_t* written) {
  iovec parts[kPieces + 2];
  iovec* const pieces = parts + 1;
  const bool fresh = promised_bytes_ == 0 && suffix_left_ == 0 && frame_sent_ == frame_size_;
  std::size_t piece_count = 0;
  std::size_t gathered_bytes = 0;
  if (fresh || promised_bytes_ > 0) {
    const auto gathered =
        source_->Gather({pieces, kPieces}, fresh ? kMaxGatherBytes : promised_bytes_);
    piece_count = gathered.pieces;
    for (std::size_t i = 0; i < piece_count; ++i) gathered_bytes += pieces[i].iov_len;
    source_ended_ = gathered.end;
  }
  if (fresh) {
    if (gathered_bytes == 0) {
      if (source_ended_) EndStream();
      return false;
    }
    promised_bytes_ = gathered_bytes;
    frame_size_ = frame_sent_ = 0;
    if (http11_ && websocket_ == nullptr) {
      frame_size_ = static_cast<std::uint8_t>(
          fmt::format_to_n(frame_, sizeof frame_, "{:x}\r\n", gathered_bytes).size);
      suffix_left_ = 2;
    }
  }
  iovec* first = pieces;
  if (frame_sent_ < frame_size_) {
    *--first = {frame_ + frame_sent_, static_cast<std::size_t>(frame_size_ - frame_sent_)};
  }
  iovec* end = pieces + piece_count;
  static char crlf[] = "\r\n";
  if (suffix_left_ > 0 && gathered_bytes == promised_bytes_) {
    *end++ = {crlf + 2 - suffix_left_, suffix_left_};
  }
  std::size_t total = 0;
  for (const iovec* part = first; part != end; ++part) total += part->iov_len;
  msghdr message{};
  message.msg_iov = first;
  message.msg_iovlen = static_cast<std::size_t>(end - first);
  const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    Close();
    return false;
  }
  const std::size_t bytes = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  *written += bytes;
  AccountStreamPart(bytes);
  if (bytes < total) SetBlocked(true);
  return true;
}

void Connection::AccountStreamPart(std::size_t bytes) {
  const std::size_t frame = std::min<std::size_t>(bytes, frame_size_ - frame_sent_);
  frame_sent_ = static_cast<std::uint8_t>(frame_sent_ + frame);
  bytes -= frame;
  const std::size_t payload = std::min(bytes, promised_bytes_);
  promised_bytes_ -= payload;
  bytes -= payload;
  suffix_left_ = static_cast<std::uint8_t>(suffix_left_ - bytes);
  if (payload > 0) source_->Consume(payload);
}

void Connection::EndStream() {
  // Destroyed later: this may run inside one of its own calls.
  server_.ended_sources_.push_back(std::move(source_));
  server_.free_buried_.Schedule();
  end_by_ = MonoTime::max();
  if (http11_ && std::exchange(websocket_, nullptr) == nullptr) {
    unsent_.append(kLastChunk);
  } else {
    close_after_answer_ = true;
  }
  server_.now_ = server_.clock_.Now();
  AfterAnswer();
  if (!unsent_.empty()) {
    FlushUnsent();
  } else {
    ShutDownWhenSaid();
  }
  if (state_ == State::kHead && !read_ahead_.empty()) SetBlocked(true);  // serves it from the loop
  if (state_ != State::kClosed) UpdateReading();
}

}  // namespace rivulet
