// Finds the messages in what a subscriber receives, for each protocol that is measured. Messages
// have a known length, so nothing is searched for but an event's data. Trusts its peer beyond the
// framing: for measuring only.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/stream_decoder.h"

namespace rivulet::bench {

enum class Protocol {
  kLines,      // HTTP chunks, a newline behind each message
  kChunks,     // HTTP chunks, nothing between messages (nchan's http-chunked)
  kSse,        // HTTP chunks, events of an event stream
  kWebSocket,  // frames
  kNats,       // MSG lines
};

inline std::optional<Protocol> ParseProtocol(std::string_view name) {
  if (name == "lines") return Protocol::kLines;
  if (name == "chunks") return Protocol::kChunks;
  if (name == "sse") return Protocol::kSse;
  if (name == "websocket") return Protocol::kWebSocket;
  if (name == "nats") return Protocol::kNats;
  return std::nullopt;
}

class MessageReader {
 public:
  MessageReader(Protocol protocol, std::size_t message_bytes)
      : protocol_(protocol), message_bytes_(message_bytes) {}

  /// What asks for the messages of `target` (a path, or a subject).
  std::string Ask(const std::string& target) const {
    std::string request = "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n";
    switch (protocol_) {
      case Protocol::kNats:
        return "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB " + target + " 1\r\nPING\r\n";
      case Protocol::kWebSocket:
        return request +
               "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
      case Protocol::kSse:
        return request + "Accept: text/event-stream\r\n\r\n";
      case Protocol::kChunks:
        return request + "TE: chunked\r\n\r\n";
      default:
        return request + "\r\n";
    }
  }

  /// Calls on_message(std::string_view) for each whole message.
  template <typename OnMessage>
  void Feed(std::string_view bytes, OnMessage&& on_message) {
    if (protocol_ == Protocol::kWebSocket || protocol_ == Protocol::kNats) {
      if (!streaming_ && !SkipGreeting(&bytes)) return;
      Take(bytes, on_message);
    } else {
      decoder_.Feed(bytes, [&](std::string_view data) { Take(data, on_message); });
    }
  }

  bool is_streaming() const { return streaming_ || decoder_.is_streaming(); }

 private:
  /// The answer's head, or the INFO line and the PONG.
  bool SkipGreeting(std::string_view* bytes) {
    const std::string_view end = protocol_ == Protocol::kNats ? "PONG\r\n" : "\r\n\r\n";
    partial_.append(*bytes);
    const std::size_t at = partial_.find(end);
    if (at == std::string::npos) return false;
    const std::size_t rest = partial_.size() - at - end.size();
    streaming_ = protocol_ == Protocol::kNats || partial_.find(" 101 ") != std::string::npos;
    partial_.clear();
    *bytes = bytes->substr(bytes->size() - rest);
    return streaming_;
  }

  template <typename OnMessage>
  void Take(std::string_view data, OnMessage&& on_message) {
    if (!partial_.empty()) {
      // At most one message and its frame are joined; the rest is read in place.
      const std::size_t before = partial_.size();
      partial_.append(data.substr(0, message_bytes_ + kMostFrameBytes));
      std::string joined;
      joined.swap(partial_);
      const std::size_t used = TakeOne(joined, on_message);
      if (used < before || used == 0) {
        if (joined.size() - before == data.size()) {
          partial_.swap(joined);
          return;
        }
        ++garbled_;
        return;
      }
      data.remove_prefix(used - before);
    }
    while (!data.empty()) {
      const std::size_t used = TakeOne(data, on_message);
      if (used == 0) {
        if (data.size() > message_bytes_ + kMostFrameBytes) ++garbled_;
        partial_ = data;
        return;
      }
      data.remove_prefix(used);
    }
  }

  /// Bytes of the message at the front and its frame; 0 when it is not whole.
  template <typename OnMessage>
  std::size_t TakeOne(std::string_view data, OnMessage&& on_message) {
    std::size_t at = 0;
    std::size_t behind = 0;
    switch (protocol_) {
      case Protocol::kLines:
        at = data.find_first_not_of("\r\n");
        if (at == std::string_view::npos) return data.size();
        behind = 1;
        break;
      case Protocol::kChunks:
        break;
      case Protocol::kSse: {
        const std::size_t field = data.find("data: ");
        if (field == std::string_view::npos) return 0;
        at = field + 6;
        behind = 2;
        break;
      }
      case Protocol::kWebSocket: {
        if (data.size() < 2) return 0;
        const auto length = static_cast<unsigned char>(data[1]);
        at = length < 126 ? 2 : length == 126 ? 4 : 10;
        break;
      }
      case Protocol::kNats: {
        if (data.starts_with("PING\r\n")) return 6;
        const std::size_t line = data.find('\n');
        if (line == std::string_view::npos) return 0;
        at = line + 1;
        behind = 2;
        break;
      }
    }
    if (data.size() < at + message_bytes_ + behind) return 0;
    on_message(data.substr(at, message_bytes_));
    return at + message_bytes_ + behind;
  }

  static constexpr std::size_t kMostFrameBytes = 128;

  Protocol protocol_;
  std::size_t message_bytes_;
  StreamDecoder decoder_;
  bool streaming_ = false;
  std::string partial_;
  std::uint64_t garbled_ = 0;
};

}  // namespace rivulet::bench
