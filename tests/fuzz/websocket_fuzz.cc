// A WebSocket's session: whatever a client sends, in one piece or byte by byte, the same is heard
// and the same close is said; what goes out is whole frames in any case, however little the client
// reads; and what is held is bounded by the message limit.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "tests/unit/http/websocket_peer.h"

using namespace rivulet;

namespace {

constexpr std::size_t kMaxMessageBytes = 5000;

void Require(bool condition) {
  if (!condition) std::abort();
}

// Frames for ever, of sizes that cross a gathering.
class Frames final : public StreamSource {
 public:
  void Attached(Stream*) override {}
  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override {
    if (sent_ == frame_.size()) {
      sent_ = 0;
      frame_ = WebSocketFrame(WebSocketOpcode::kText, std::string(number_++ * 37 % 300, 's'));
    }
    const std::size_t size = std::min(max_bytes, frame_.size() - sent_);
    pieces[0] = {frame_.data() + sent_, size};
    return {1, false, sent_ + size < frame_.size()};
  }
  void Consume(std::size_t bytes) override { sent_ += bytes; }
  void Drain() override {}

 private:
  std::string frame_;
  std::size_t sent_ = 0;
  std::size_t number_ = 0;
};

struct End {
  std::vector<std::pair<std::string, bool>> heard;
  std::optional<ServerFrame> close;
  bool ended;
  bool operator==(const End&) const = default;
};

End Feed(std::string_view bytes, std::size_t step, bool listens) {
  Recorder::Heard heard;
  heard.answer = "answer ";
  WebSocketLimits limits;
  limits.max_message_bytes = kMaxMessageBytes;
  SessionPeer peer(nullptr, listens ? std::make_unique<Recorder>(&heard) : nullptr, limits);
  for (std::size_t at = 0; at < bytes.size(); at += step) peer.Receive(bytes.substr(at, step));
  const auto frames = peer.Frames();
  Require(frames.has_value());
  End end{std::move(heard.messages), std::nullopt, peer.ended};
  for (const ServerFrame& frame : *frames) {
    Require(!end.close);  // nothing behind it
    if (frame.opcode == kClose) end.close = frame;
  }
  Require(peer.ended == end.close.has_value());
  for (const auto& [message, text] : end.heard) {
    Require(message.size() <= kMaxMessageBytes);
    Require(!text || IsValidUtf8(message));
  }
  return end;
}

// With a source, and a client that reads `room` bytes now and then.
void FeedSlowly(std::string_view bytes, std::size_t room) {
  Recorder::Heard heard;
  heard.answer = "answer ";
  SessionPeer peer(std::make_unique<Frames>(), std::make_unique<Recorder>(&heard), {});
  peer.gather_bytes = 100;
  peer.step = 33;
  for (std::size_t at = 0; at < bytes.size(); at += 11) {
    peer.room = room;
    peer.Wake();
    peer.Receive(bytes.substr(at, 11));
  }
  // A cut frame may be the last: up to there all must be frames.
  std::string_view sent = peer.sent;
  while (!sent.empty()) {
    std::size_t head = 2;
    if (sent.size() < head) break;
    std::size_t size = static_cast<unsigned char>(sent[1]);
    if (size == 126) {
      head = 4;
      if (sent.size() < head) break;
      size = static_cast<std::size_t>(static_cast<unsigned char>(sent[2]) << 8 |
                                      static_cast<unsigned char>(sent[3]));
    }
    if (sent.size() < head + size) break;
    Require(ReadFrames(sent.substr(0, head + size)).has_value());
    const std::string_view payload = sent.substr(head, size);
    if ((sent[0] & 0xf) == kText) {
      Require(payload.find_first_not_of('s') == std::string_view::npos ||
              payload.starts_with("answer "));
    }
    sent.remove_prefix(head + size);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  if (size < 2) return 0;
  for (const bool listens : {true, false}) {
    const End whole = Feed(data, size, listens);
    Require(Feed(data, 1, listens) == whole);
    Require(Feed(data, 7, listens) == whole);
  }
  FeedSlowly(data.substr(1), bytes[0]);
  return 0;
}
