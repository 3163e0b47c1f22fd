// What a WebSocket says between the frames of its source, and how the two end.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "http/websocket_session.h"
#include "tests/unit/http/websocket_peer.h"

using namespace rivulet;

namespace {

struct Listening {
  Recorder::Heard heard;
  SessionPeer peer{nullptr, std::make_unique<Recorder>(&heard)};
};

// A source of whole frames; the test adds to `bytes` and ends it.
struct Script {
  std::string bytes;
  std::vector<std::size_t> boundaries{0};  // where frames end
  bool ended = false;
  bool drained = false;
  bool destroyed = false;
  Stream* stream = nullptr;
  void Add(const std::string& frame) {
    bytes += frame;
    boundaries.push_back(bytes.size());
  }
};

class ScriptFrames final : public StreamSource {
 public:
  explicit ScriptFrames(Script* script) : script_(script) {}
  ~ScriptFrames() override { script_->destroyed = true; }
  void Attached(Stream* stream) override { script_->stream = stream; }
  Gathered Gather(std::span<iovec> pieces, std::size_t max_bytes) override {
    // To the last frame's end that fits; of a larger frame max_bytes.
    std::size_t end = sent_;
    for (const std::size_t boundary : script_->boundaries) {
      if (boundary > sent_ && boundary - sent_ <= max_bytes) end = boundary;
    }
    const bool splits = end == sent_ && sent_ < script_->bytes.size();
    if (splits) end += std::min(max_bytes, script_->bytes.size() - sent_);
    if (end == sent_) return {0, script_->ended};
    pieces[0] = {script_->bytes.data() + sent_, end - sent_};
    return {1, script_->ended && end == script_->bytes.size(), splits};
  }
  void Consume(std::size_t bytes) override { sent_ += bytes; }
  void Drain() override {
    script_->drained = true;
    script_->Add(WebSocketCloseFrame(kCloseGoingAway, "bye"));
    script_->ended = true;
  }

 private:
  Script* script_;
  std::size_t sent_ = 0;
};

struct Streaming {
  Script script;
  Recorder::Heard heard;
  SessionPeer peer{std::make_unique<ScriptFrames>(&script), std::make_unique<Recorder>(&heard)};
};

}  // namespace

TEST_CASE("websocket: while the client does not read, the newest pong and answer wait, no more") {
  Listening l;
  l.heard.answer = "n";
  l.peer.room = 0;
  for (int i = 0; i < 1000; ++i) {
    l.peer.Receive(ClientFrame(kPing, std::to_string(i)) + ClientFrame(kText, "m"));
  }
  l.peer.room = 5;  // the pong, and a part of the answer
  l.peer.Wake();
  for (int i = 1000; i < 2000; ++i) {
    l.peer.Receive(ClientFrame(kPing, std::to_string(i)) + ClientFrame(kText, "m"));
  }
  l.peer.room = 1 << 20;
  l.peer.Wake();
  CHECK(*l.peer.Frames() ==
        std::vector<ServerFrame>{
            {kPong, "999"}, {kText, "n1000"}, {kPong, "1999"}, {kText, "n2000"}});
}

TEST_CASE("websocket: words stand between the source's frames, never within one") {
  const std::string big = WebSocketFrame(WebSocketOpcode::kText, std::string(1000, 'x'));
  for (const std::size_t gather : {64U, 1004U, 4096U}) {
    for (const std::size_t room : {1U, 3U, 64U, 500U, 1004U, 1007U, 1500U}) {
      Streaming s;
      s.peer.gather_bytes = gather;
      s.script.Add(big);
      s.script.Add(WebSocketFrame(WebSocketOpcode::kText, "a"));
      s.script.Add(big);
      s.peer.room = room;
      s.peer.step = 100;
      s.peer.Wake();
      s.peer.Receive(ClientFrame(kPing, "ping"));
      s.peer.room = 1 << 20;
      s.peer.Wake();
      const auto frames = s.peer.Frames();
      REQUIRE(frames);
      REQUIRE(frames->size() == 4);
      CHECK(std::count(frames->begin(), frames->end(), ServerFrame{kPong, "ping"}) == 1);
      CHECK(std::count(frames->begin(), frames->end(),
                       ServerFrame{kText, std::string(1000, 'x')}) == 2);
    }
  }
}

TEST_CASE("websocket: what is promised of the session's own words is not told to the source") {
  Streaming s;
  s.heard.answer = std::string(1000, 'a');
  s.peer.room = 10;
  s.peer.Receive(ClientFrame(kText, "m"));
  CHECK(s.peer.promised > 0);
  CHECK(s.script.stream->promised_bytes() == 0);
}

TEST_CASE("websocket: a client's close is answered behind the frame in hand, and nothing more") {
  Streaming s;
  s.peer.gather_bytes = 100;
  s.script.Add(WebSocketFrame(WebSocketOpcode::kText, std::string(1000, 'x')));
  s.script.Add(WebSocketFrame(WebSocketOpcode::kText, std::string(200, 'n')));
  s.peer.room = 150;
  s.peer.Wake();
  s.peer.Receive(ClientFrame(kClose, CloseCode(1000)));
  s.peer.room = 1 << 20;
  s.peer.Wake();
  CHECK(s.peer.ended);
  const auto frames = s.peer.Frames();
  REQUIRE(frames);
  REQUIRE(frames->size() == 2);
  CHECK((*frames)[0].payload.size() == 1000);
  CHECK((*frames)[1].close_code() == 1000);
}

TEST_CASE("websocket: a source's end waits for the client's close, for two seconds") {
  Streaming s;
  s.heard.answer = "answer";
  s.script.Add(WebSocketCloseFrame(kCloseNormal, "until"));
  s.script.ended = true;
  s.peer.Wake();
  CHECK_FALSE(s.peer.ended);
  CHECK(*s.peer.end_within == std::chrono::seconds(2));
  // Nothing may be said behind a close, and nothing more is heard.
  s.peer.Receive(ClientFrame(kPing, "p") + ClientFrame(kText, "late"));
  CHECK(s.heard.messages.empty());
  CHECK(s.peer.Frames()->size() == 1);
  CHECK_FALSE(s.peer.ended);
  s.peer.Receive(ClientFrame(kClose, CloseCode(1000)));
  CHECK(s.peer.ended);
  CHECK(s.peer.sent.empty());
}

TEST_CASE("websocket: a source that ends while words wait has the last word") {
  Streaming s;
  s.peer.room = 3;
  s.script.Add(WebSocketFrame(WebSocketOpcode::kText, "abc"));
  s.peer.Wake();
  s.peer.Receive(ClientFrame(kPing, "p"));
  s.script.Add(WebSocketCloseFrame(kClosePolicy, "too slow"));
  s.script.ended = true;
  s.peer.room = 1 << 20;
  s.peer.Wake();
  const auto frames = s.peer.Frames();
  REQUIRE(frames);
  CHECK(frames->back().close_code() == 1008);
  CHECK(frames->size() == 3);  // the pong stands between
}

TEST_CASE("websocket: the drain is the source's word, and without one close 1001") {
  Streaming s;
  s.peer.session.Drain();
  s.peer.Wake();
  CHECK(s.script.drained);
  CHECK(s.peer.Frames()->back().close_code() == 1001);
  s.peer.session.Drain();
  Listening l;
  l.peer.session.Drain();
  l.peer.Wake();
  CHECK(l.peer.Frames()->back().close_code() == 1001);
}

TEST_CASE("websocket: the listener goes before the source") {
  struct Order final : WebSocketListener {
    explicit Order(const bool* source_gone) : source_gone_(source_gone) {}
    ~Order() override { CHECK_FALSE(*source_gone_); }
    std::string OnMessage(std::string_view, bool) override { return {}; }
    const bool* source_gone_;
  };
  Script script;
  {
    SessionPeer peer(std::make_unique<ScriptFrames>(&script),
                     std::make_unique<Order>(&script.destroyed));
  }
  CHECK(script.destroyed);
}
