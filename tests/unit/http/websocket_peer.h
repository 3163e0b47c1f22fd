// What tests of WebSockets share: frames as a client makes them and a reader of the server's (both
// written from RFC 6455 5.2 alone), a listener that records, and a connection in memory.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/websocket_session.h"

namespace rivulet {

inline constexpr int kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10;

struct FrameOptions {
  bool fin = true;
  bool masked = true;
  int rsv = 0;
  int size_bytes = 0;  // of the extended size: 0 for the shortest that fits
};

inline std::string ClientFrame(int opcode, std::string_view payload, FrameOptions options = {}) {
  const auto byte = [](std::size_t value) { return static_cast<char>(value & 0xff); };
  std::string frame;
  frame += byte((options.fin ? 0x80U : 0U) | static_cast<unsigned>(options.rsv) << 4 |
                static_cast<unsigned>(opcode));
  int size_bytes = options.size_bytes;
  if (size_bytes == 0) size_bytes = payload.size() < 126 ? 1 : payload.size() < 65536 ? 2 : 8;
  const std::size_t mask_bit = options.masked ? 0x80 : 0;
  if (size_bytes == 1) {
    frame += byte(mask_bit | payload.size());
  } else {
    frame += byte(mask_bit | (size_bytes == 2 ? 126U : 127U));
    for (int i = size_bytes; i-- > 0;) frame += byte(payload.size() >> (8 * i));
  }
  if (!options.masked) return frame.append(payload);
  const std::array<unsigned, 4> mask{0x37, 0xfa, 0x21, 0x3d};
  for (const unsigned m : mask) frame += byte(m);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += byte(static_cast<unsigned char>(payload[i]) ^ mask[i % 4]);
  }
  return frame;
}

inline FrameOptions NotFinal() {
  FrameOptions options;
  options.fin = false;
  return options;
}

inline std::string CloseCode(unsigned code) {
  return {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
}

struct ServerFrame {
  int opcode = 0;
  std::string payload;
  bool operator==(const ServerFrame&) const = default;
  unsigned close_code() const {
    if (opcode != kClose || payload.size() < 2) return 0;
    return static_cast<unsigned>(static_cast<unsigned char>(payload[0]) << 8 |
                                 static_cast<unsigned char>(payload[1]));
  }
};

// Whole frames of the server; nothing when a byte breaks the format, or one is cut.
inline std::optional<std::vector<ServerFrame>> ReadFrames(std::string_view bytes) {
  std::vector<ServerFrame> frames;
  while (!bytes.empty()) {
    if (bytes.size() < 2) return std::nullopt;
    const auto first = static_cast<unsigned char>(bytes[0]);
    std::size_t size = static_cast<unsigned char>(bytes[1]);
    if ((first & 0xf0) != 0x80 || size > 127) return std::nullopt;  // whole, unmasked
    std::size_t at = 2;
    if (size >= 126) {
      const std::size_t size_bytes = size == 126 ? 2 : 8;
      if (bytes.size() < at + size_bytes) return std::nullopt;
      size = 0;
      for (std::size_t i = 0; i < size_bytes; ++i) {
        size = size << 8 | static_cast<unsigned char>(bytes[at++]);
      }
    }
    if (bytes.size() - at < size) return std::nullopt;
    frames.push_back({first & 0xf, std::string(bytes.substr(at, size))});
    bytes.remove_prefix(at + size);
  }
  return frames;
}

// Records messages; answers each with `answer`, if there is one, and its number.
class Recorder final : public WebSocketListener {
 public:
  struct Heard {
    std::vector<std::pair<std::string, bool>> messages;
    std::string answer;
    bool destroyed = false;
  };
  explicit Recorder(Heard* heard) : heard_(heard) {}
  ~Recorder() override { heard_->destroyed = true; }
  std::string OnMessage(std::string_view payload, bool text) override {
    heard_->messages.emplace_back(payload, text);
    if (heard_->answer.empty()) return {};
    return heard_->answer + std::to_string(heard_->messages.size());
  }

 private:
  Heard* heard_;
};

// A connection that has no socket: what it takes of a stream is in `sent`.
class SessionPeer final : public Stream {
 public:
  explicit SessionPeer(std::unique_ptr<StreamSource> source = nullptr,
                       std::unique_ptr<WebSocketListener> listener = nullptr,
                       const WebSocketLimits& limits = {})
      : session(std::move(source), std::move(listener), limits) {
    session.Attached(this);
  }

  void Receive(std::string_view bytes) {
    if (!ended) session.Receive(bytes);
  }
  // As Connection::Pump; takes at most `room` bytes in all, and `step` at a time.
  void Wake() override {
    while (!ended && room > 0) {
      std::array<iovec, 4> pieces;
      const std::size_t max_bytes = promised > 0 ? promised : gather_bytes;
      const auto gathered = session.Gather(pieces, max_bytes);
      std::string bytes;
      for (std::size_t i = 0; i < gathered.pieces; ++i) {
        bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
      }
      if (promised == 0) promised = bytes.size();
      if (bytes.empty()) {
        ended = gathered.end;
        return;
      }
      const std::size_t taken = std::min({bytes.size(), room, step});
      sent.append(bytes, 0, taken);
      room -= taken;
      promised -= taken;
      session.Consume(taken);
    }
  }
  bool blocked() const override { return room == 0; }
  std::size_t promised_bytes() const override { return promised; }
  void Abort() override { ended = true; }
  void EndWithin(Duration limit) override { end_within = limit; }
  std::string_view peer() const override { return "peer"; }

  // What was sent since the last call.
  std::optional<std::vector<ServerFrame>> Frames() { return ReadFrames(std::exchange(sent, {})); }

  std::string sent;
  std::size_t room = static_cast<std::size_t>(-1);
  std::size_t step = static_cast<std::size_t>(-1);
  std::size_t gather_bytes = kMaxGatherBytes;
  std::size_t promised = 0;
  bool ended = false;
  std::optional<Duration> end_within;
  WebSocketSession session;
};

}  // namespace rivulet
