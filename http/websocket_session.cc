#include "http/websocket_session.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <utility>

#include "base/json.h"

namespace rivulet {

namespace {

constexpr Duration kCloseLimit = std::chrono::seconds(2);
constexpr std::size_t kKeptMessageBytes = 4096;
constexpr std::uint16_t kCloseProtocol = 1002;
constexpr std::uint16_t kCloseNotUtf8 = 1007;
constexpr std::uint16_t kCloseTooBig = 1009;

constexpr bool IsControl(std::uint8_t opcode) { return (opcode & 8) != 0; }

// Codes that may stand in a close frame: RFC 6455 7.4 and those registered since (1012 to 1014).
constexpr bool IsCloseCode(std::uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

std::size_t HeaderBytes(const wslay_frame_iocb& frame) {
  constexpr std::size_t kMaskBytes = 4;
  return WebSocketHeaderBytes(frame.payload_length) + kMaskBytes;
}

// `text`, which is not valid, is the beginning of one valid sequence.
bool IsCutSequence(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() >= size) return false;
  // Only the second byte's range depends on the lead; each range has one of these.
  const std::string rest(text);
  const std::size_t missing = size - text.size();
  return IsValidUtf8(rest + std::string(missing, '\x80')) ||
         IsValidUtf8(rest + std::string(missing, '\xbf'));
}

}  // namespace

void WebSocketSession::FreeFrames::operator()(wslay_frame_context* context) const {
  wslay_frame_context_free(context);
}

WebSocketSession::WebSocketSession(std::unique_ptr<StreamSource> source,
                                   std::unique_ptr<WebSocketListener> listener,
                                   const WebSocketLimits& limits)
    : source_(std::move(source)), listener_(std::move(listener)), limits_(limits) {}

WebSocketSession::~WebSocketSession() = default;

void WebSocketSession::Attached(Stream* stream) {
  stream_ = stream;
  if (source_) source_->Attached(this);
}

void WebSocketSession::Receive(std::string_view bytes) {
  input_ = bytes;
  while (listens()) {
    if (!frames_) {
      if (input_.empty()) break;
      const wslay_frame_callbacks callbacks{
          nullptr,
          [](std::uint8_t* out, std::size_t size, int, void* self) -> ssize_t {
            const std::size_t taken =
                static_cast<WebSocketSession*>(self)->TakeInput(reinterpret_cast<char*>(out), size);
            return taken > 0 ? static_cast<ssize_t>(taken) : -1;
          },
          nullptr};
      wslay_frame_context* context = nullptr;
      if (wslay_frame_context_init(&context, &callbacks, this) != 0) return stream_->Abort();
      frames_.reset(context);
      unread_bytes_ = 0;
    }
    wslay_frame_iocb part{};
    const ssize_t got = wslay_frame_recv(frames_.get(), &part);
    if (got == WSLAY_ERR_WANT_READ) break;
    if (got < 0) {
      // What wslay itself refuses: control frames that are fragmented or longer than 125 bytes,
      // sizes that are not written in the shortest way.
      CloseWith(kCloseProtocol, "malformed frame");
      break;
    }
    if (!in_frame_) StartFrame(part);
    if (listens()) TakePayload({reinterpret_cast<const char*>(part.data), part.data_length});
  }
  input_ = {};
  if (!in_frame_ && unread_bytes_ == 0) frames_.reset();
  if (message_.empty()) std::string().swap(message_);
  if (!listens()) FreeReceived();
  if (words_waiting() || close_received_) stream_->Wake();
}

// Of time and bytes only what is new counts, so that a fast beginning earns no long silence.
bool WebSocketSession::KeepsPace(MonoTime now, Duration grace, std::uint64_t min_bytes_per_second) {
  if (!listens() || !half_received()) return true;
  const auto earned = std::chrono::seconds(pace_bytes_ / min_bytes_per_second);
  if (paced_ && earned < grace) return now - pace_since_ < grace + earned;
  paced_ = true;
  pace_since_ = now;
  pace_bytes_ = 0;
  return true;
}

void WebSocketSession::Refuse(std::uint16_t code, std::string_view reason) {
  if (!listens()) return;
  CloseWith(code, reason);
  FreeReceived();
  stream_->Wake();
}

void WebSocketSession::FreeReceived() {
  frames_.reset();
  std::string().swap(message_);
  std::string().swap(control_);
}

std::size_t WebSocketSession::TakeInput(char* out, std::size_t max_bytes) {
  const std::size_t size = input_.copy(out, max_bytes);
  input_.remove_prefix(size);
  unread_bytes_ += size;
  return size;
}

void WebSocketSession::StartFrame(const wslay_frame_iocb& frame) {
  if (frame.mask == 0) return CloseWith(kCloseProtocol, "a client's frames must be masked");
  if (frame.rsv != 0) return CloseWith(kCloseProtocol, "reserved bits are set");
  in_frame_ = true;
  opcode_ = frame.opcode;
  final_ = frame.fin != 0;
  frame_left_ = frame.payload_length;
  unread_bytes_ -= HeaderBytes(frame);
  switch (opcode_) {
    case WSLAY_CONTINUATION_FRAME:
      if (message_opcode_ == 0) return CloseWith(kCloseProtocol, "no message to continue");
      break;
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
      if (message_opcode_ != 0) return CloseWith(kCloseProtocol, "a message within a message");
      message_opcode_ = opcode_;
      break;
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
      return;
    default:
      return CloseWith(kCloseProtocol, "unknown opcode");
  }
  if (frame_left_ > limits_.max_message_bytes - message_bytes_) {
    return CloseWith(kCloseTooBig,
                     "message larger than " + std::to_string(limits_.max_message_bytes) + " bytes");
  }
  message_bytes_ += frame_left_;
}

void WebSocketSession::TakePayload(std::string_view payload) {
  unread_bytes_ -= payload.size();
  frame_left_ -= payload.size();
  if (IsControl(opcode_)) {
    control_.append(payload);
  } else {
    pace_bytes_ += payload.size();
    const bool text = message_opcode_ == WSLAY_TEXT_FRAME;
    if (listener_ || text) message_.append(payload);
    if (text && !CheckText(final_ && frame_left_ == 0)) {
      return CloseWith(kCloseNotUtf8, "text that is not UTF-8");
    }
  }
  if (frame_left_ == 0) EndFrame();
}

// Whether the text in hand is UTF-8 as far as it came.
bool WebSocketSession::CheckText(bool ends) {
  const std::string_view rest = std::string_view(message_).substr(checked_bytes_);
  const std::size_t invalid = FindInvalidUtf8(rest);
  const std::size_t valid = std::min(invalid, rest.size());
  if (valid < rest.size() && (ends || !IsCutSequence(rest.substr(valid)))) return false;
  if (listener_) {
    checked_bytes_ += valid;
  } else {
    message_.erase(0, valid);
  }
  return true;
}

void WebSocketSession::EndFrame() {
  in_frame_ = false;
  switch (opcode_) {
    case WSLAY_CONNECTION_CLOSE:
      OnClose();
      break;
    case WSLAY_PING:
      if (!source_ended_) pong_ = WebSocketFrame(WebSocketOpcode::kPong, control_);
      break;
    case WSLAY_PONG:
      break;
    default:
      if (final_) EndMessage();
  }
  control_.clear();
  if (message_opcode_ == 0) paced_ = false;
}

void WebSocketSession::EndMessage() {
  const bool text = message_opcode_ == WSLAY_TEXT_FRAME;
  message_opcode_ = 0;
  message_bytes_ = 0;
  checked_bytes_ = 0;
  // Once we have said close, what the client had yet to say is not heard.
  if (listener_ && !source_ended_) {
    const std::string answer = listener_->OnMessage(message_, text);
    if (!answer.empty()) answer_ = WebSocketFrame(WebSocketOpcode::kText, answer);
  }
  message_.clear();
  if (message_.capacity() > kKeptMessageBytes) std::string().swap(message_);
}

void WebSocketSession::OnClose() {
  if (control_.empty()) {
    close_received_ = true;
    close_ = WebSocketFrame(WebSocketOpcode::kClose, {});
    return stream_->EndWithin(kCloseLimit);
  }
  if (control_.size() == 1) return CloseWith(kCloseProtocol, "half a close code");
  const auto code = static_cast<std::uint16_t>(static_cast<unsigned char>(control_[0]) << 8 |
                                               static_cast<unsigned char>(control_[1]));
  if (!IsCloseCode(code)) {
    return CloseWith(kCloseProtocol, "close code " + std::to_string(code) + " cannot be sent");
  }
  if (!IsValidUtf8(std::string_view(control_).substr(2))) {
    return CloseWith(kCloseNotUtf8, "close reason that is not UTF-8");
  }
  close_received_ = true;
  CloseWith(code, {});
}

void WebSocketSession::CloseWith(std::uint16_t code, std::string_view reason) {
  close_ = WebSocketCloseFrame(code, reason);
  stream_->EndWithin(kCloseLimit);
}

WebSocketSession::Gathered WebSocketSession::Gather(std::span<iovec> pieces,
                                                    std::size_t max_bytes) {
  const bool between = source_promised_bytes_ == 0 && !source_splits_message_;
  if (words_.empty() && between && !source_ended_ && !close_taken_) TakeWords();
  if (!words_.empty()) {
    const std::size_t size = std::min(max_bytes, words_.size() - words_sent_);
    pieces[0] = {words_.data() + words_sent_, size};
    return {1, close_taken_ && words_sent_ + size == words_.size()};
  }
  if (close_taken_) return {0, true};
  if (!source_) return {};
  // After the source's close frame: until the client's has come, or it breaks the protocol.
  if (source_ended_ && source_promised_bytes_ == 0) return {0, !listens()};
  Gathered gathered = source_->Gather(pieces, max_bytes);
  const bool end = std::exchange(gathered.end, false);
  if (source_promised_bytes_ > 0) return gathered;  // the same bytes again
  for (const iovec& piece : pieces.first(gathered.pieces)) source_promised_bytes_ += piece.iov_len;
  source_ended_ = end;
  if (source_promised_bytes_ > 0) {
    source_splits_message_ = gathered.splits_message;
  } else if (source_ended_) {
    OnSourceEnd();
    gathered.end = !listens();
  }
  return gathered;
}

// Of what waits, in this order: a close is the last word.
void WebSocketSession::TakeWords() {
  words_.append(std::exchange(pong_, {})).append(std::exchange(answer_, {})).append(close_);
  close_taken_ = !close_.empty();
}

void WebSocketSession::Consume(std::size_t bytes) {
  if (!words_.empty()) {
    words_sent_ += bytes;
    if (words_sent_ < words_.size()) return;
    std::string().swap(words_);
    words_sent_ = 0;
    return;
  }
  source_promised_bytes_ -= bytes;
  source_->Consume(bytes);
  if (source_promised_bytes_ == 0 && source_ended_) OnSourceEnd();
}

void WebSocketSession::OnSourceEnd() {
  pong_.clear();
  answer_.clear();
  stream_->EndWithin(kCloseLimit);
}

void WebSocketSession::Drain() {
  if (source_ended_ || !close_.empty()) return;
  if (source_) return source_->Drain();
  CloseWith(kCloseGoingAway, "the daemon is going down");
}

}  // namespace rivulet
