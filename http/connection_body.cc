// What comes to Connection behind a head: bodies, gathered or handed on as they come, and a
// WebSocket's messages.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "http/connection.h"
#include "http/request.h"
#include "http/server.h"
#include "http/websocket_session.h"

namespace rivulet {

namespace {

int StatusOf(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return 400;
    case StatusCode::kTooLarge:
      return 413;
    case StatusCode::kExhausted:
      return 507;
    default:
      return 503;
  }
}

// "1KiB/s"
std::string RateText(std::uint64_t bytes_per_second) {
  constexpr std::uint64_t kKibibyte = 1024;
  if (bytes_per_second % kKibibyte != 0) return fmt::format("{}B/s", bytes_per_second);
  return fmt::format("{}KiB/s", bytes_per_second / kKibibyte);
}

}  // namespace

// The body is chunked or has not come whole.
bool Connection::StartBody(std::string_view input, std::size_t* used) {
  head_bytes_.assign(input.substr(*used, parser_.head_bytes()));
  *used += parser_.head_bytes();
  const bool expect_continue = parser_.head().expect_continue;
  state_ = State::kBody;
  since_ = server_.now_;
  decoder_.Reset();
  if (parser_.head().chunked) OpenUpload();
  if (state_ != State::kBody) {  // it was answered
    std::string().swap(head_bytes_);
    return false;
  }
  if (expect_continue && *used == input.size()) {
    server_.out_.append("HTTP/1.1 100 Continue\r\n\r\n");
  }
  return true;
}

bool Connection::ReadBody(std::string_view input, std::size_t* used) {
  if (upload_) return ReadUpload(input, used);
  const std::string_view rest = input.substr(*used);
  const RequestHead& head = parser_.head();
  if (head.chunked) {
    std::size_t taken = 0;
    const auto outcome = decoder_.Decode(rest, server_.config_.max_body_bytes, &body_, &taken);
    *used += taken;
    if (outcome == ChunkDecoder::Outcome::kError) {
      FailRequest(decoder_.error_status(), decoder_.error_reason());
      return false;
    }
    if (outcome == ChunkDecoder::Outcome::kNeedMore) return false;
  } else {
    const std::size_t taken =
        std::min<std::uint64_t>(head.content_length - body_.size(), rest.size());
    body_.append(rest.substr(0, taken));
    *used += taken;
    if (body_.size() < head.content_length) return false;
  }
  Dispatch(head_bytes_.data(), body_);
  std::string().swap(body_);
  std::string().swap(head_bytes_);
  return true;
}

bool Connection::ReadUpload(std::string_view input, std::size_t* used) {
  std::string& piece = server_.decoded_body_;
  piece.clear();
  std::size_t taken = 0;
  const auto outcome =
      decoder_.Decode(input.substr(*used), std::numeric_limits<std::size_t>::max(), &piece, &taken);
  *used += taken;
  if (!piece.empty()) {
    const Status received = upload_->Receive(piece);
    if (!received.ok()) {
      FailUpload(StatusOf(received.code()), received.message());
      return false;
    }
    CountUploaded(piece.size());
    AwaitUpload(piece.size());
  }
  if (outcome == ChunkDecoder::Outcome::kError) {
    FailUpload(decoder_.error_status(), decoder_.error_reason());
    return false;
  }
  if (outcome == ChunkDecoder::Outcome::kDone) {
    Dispatch(head_bytes_.data(), {});
    std::string().swap(head_bytes_);
    return true;
  }
  DrainUpload();
  return false;
}

// Of time and bytes only what is new counts, so that a fast beginning earns no long silence.
void Connection::CountUploaded(std::size_t bytes) {
  const ServerConfig& config = server_.config_;
  const bool was_in_message = std::exchange(in_message_, !upload_->between_messages());
  upload_bytes_ += bytes;
  const auto earned = std::chrono::seconds(upload_bytes_ / config.min_body_bytes_per_second);
  if (was_in_message && in_message_ && earned < config.header_timeout) return;
  since_ = server_.now_;
  upload_bytes_ = 0;
}

// Held like an answer that has no bytes yet: a failure becomes the upload's answer.
void Connection::AwaitUpload(std::size_t bytes) {
  upload_unsafe_bytes_ += bytes;
  if (upload_unsafe_bytes_ < kMaxUnsafeUploadBytes) return;
  upload_unsafe_bytes_ = 0;
  const std::uint64_t mark = upload_->safe_mark();
  if (mark <= server_.released_) return;
  dispatching_ = true;  // what stands in out_ comes before it
  HoldUntil(mark, nullptr);
  dispatching_ = false;
  hold_full_ = true;
  UpdateReading();
}

// An upload without a known end would keep a daemon that goes down.
void Connection::DrainUpload() {
  if (!server_.draining_ || in_message_) return;
  FailUpload(503, "the daemon is going down; every message that came whole was taken");
}

void Connection::CheckBodyRate(MonoTime now) {
  if (upload_ && !in_message_) return;
  if (hold_full_) {  // it is we who do not read
    since_ = now;
    return;
  }
  const ServerConfig& config = server_.config_;
  const std::uint64_t bytes = upload_ ? upload_bytes_ : body_.size();
  const auto earned = std::chrono::seconds(bytes / config.min_body_bytes_per_second);
  if (now - since_ < config.header_timeout + earned) return;
  const std::string reason =
      "the body came slower than " + RateText(config.min_body_bytes_per_second);
  if (upload_) {
    FailUpload(408, reason);
  } else {
    FailRequest(408, reason);
  }
  Flush(&server_.out_);
}

void Connection::ReceiveWebSocket(std::string_view bytes) {
  websocket_->Receive(bytes);
  if (state_ == State::kStreaming) CheckMessageRate(server_.now_);
}

void Connection::CheckMessageRate(MonoTime now) {
  if (websocket_ == nullptr) return;
  if (!reading_) return websocket_->ForgivePace();  // it is we who do not read
  const ServerConfig& config = server_.config_;
  const std::uint64_t rate = config.min_body_bytes_per_second;
  if (websocket_->KeepsPace(now, config.header_timeout, rate)) return;
  websocket_->Refuse(kClosePolicy, "the message came slower than " + RateText(rate));
}

}  // namespace rivulet
