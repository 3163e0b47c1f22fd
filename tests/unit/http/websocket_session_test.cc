// What a WebSocket answers to what a client sends. Expected values are those of RFC 6455.
#include "http/websocket_session.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "tests/unit/http/websocket_peer.h"

using namespace rivulet;

namespace {

struct Listening {
  Recorder::Heard heard;
  SessionPeer peer;
  explicit Listening(const WebSocketLimits& limits = {})
      : peer(nullptr, std::make_unique<Recorder>(&heard), limits) {}
  // The code of the close frame that answers `bytes`, as the last thing said; 0: the session goes
  // on.
  unsigned CloseCodeAfter(std::string_view bytes) {
    peer.Receive(bytes);
    const auto frames = peer.Frames();
    REQUIRE(frames);
    if (!peer.ended) return 0;
    REQUIRE(!frames->empty());
    return frames->back().close_code();
  }
};

unsigned CloseCodeOf(std::string_view bytes, const WebSocketLimits& limits = {}) {
  return Listening(limits).CloseCodeAfter(bytes);
}

}  // namespace

TEST_CASE("websocket: messages of every size are heard whole, text and binary") {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 4095U, 65535U, 65536U, 1U << 20}) {
    Listening l;
    const std::string payload(size, 'x');
    l.peer.Receive(ClientFrame(kText, payload) + ClientFrame(kBinary, payload));
    REQUIRE(l.heard.messages.size() == 2);
    CHECK(l.heard.messages[0] == std::pair(payload, true));
    CHECK(l.heard.messages[1] == std::pair(payload, false));
    CHECK(l.peer.sent.empty());
  }
}

TEST_CASE("websocket: the frames of RFC 6455 5.7 are read as it says") {
  Listening l;
  // A masked "Hello" in one frame; a ping with "Hello", masked as a client must.
  l.peer.Receive(std::string_view("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11));
  CHECK(l.heard.messages.at(0) == std::pair(std::string("Hello"), true));
  l.peer.Receive(std::string_view("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11));
  // "the Pong: 0x8a 0x05 0x48 0x65 0x6c 0x6c 0x6f", as a server sends it.
  CHECK(l.peer.sent == "\x8a\x05Hello");
  // An unmasked "Hello" is for servers to send.
  CHECK(CloseCodeOf("\x81\x05Hello") == 1002);
}

TEST_CASE("websocket: fragments are joined, and control frames may stand between them") {
  Listening l;
  l.peer.Receive(ClientFrame(kText, "Hel", NotFinal()));
  CHECK(l.heard.messages.empty());
  l.peer.Receive(ClientFrame(kPing, "between"));
  CHECK(*l.peer.Frames() == std::vector<ServerFrame>{{kPong, "between"}});
  l.peer.Receive(ClientFrame(kContinuation, "", NotFinal()));
  l.peer.Receive(ClientFrame(kPong, "unasked"));
  l.peer.Receive(ClientFrame(kContinuation, "lo"));
  REQUIRE(l.heard.messages.size() == 1);
  CHECK(l.heard.messages[0] == std::pair(std::string("Hello"), true));
  CHECK(l.peer.sent.empty());
  l.peer.Receive(ClientFrame(kBinary, "next"));
  CHECK(l.heard.messages.size() == 2);
}

TEST_CASE("websocket: what breaks the framing is answered by close 1002") {
  CHECK(CloseCodeOf(ClientFrame(kText, "x", {true, false})) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kPing, "x", NotFinal())) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kClose, "", NotFinal())) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kPing, std::string(126, 'x'))) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kClose, CloseCode(1000) + std::string(124, 'x'))) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kContinuation, "x")) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kText, "x", NotFinal()) + ClientFrame(kText, "y")) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kBinary, "x", NotFinal()) + ClientFrame(kText, "y")) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kText, "x") + ClientFrame(kContinuation, "y")) == 1002);
  for (int rsv = 1; rsv < 8; ++rsv) {
    CHECK(CloseCodeOf(ClientFrame(kText, "x", {true, true, rsv})) == 1002);
    CHECK(CloseCodeOf(ClientFrame(kPing, "", {true, true, rsv})) == 1002);
  }
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    CHECK(CloseCodeOf(ClientFrame(opcode, "x")) == 1002);
    CHECK(CloseCodeOf(ClientFrame(opcode, "")) == 1002);
  }
}

TEST_CASE("websocket: a size that is not written in the shortest way is close 1002") {
  for (const std::size_t size : {0U, 5U, 125U}) {
    CHECK(CloseCodeOf(ClientFrame(kText, std::string(size, 'x'), {true, true, 0, 2})) == 1002);
    CHECK(CloseCodeOf(ClientFrame(kText, std::string(size, 'x'), {true, true, 0, 8})) == 1002);
  }
  CHECK(CloseCodeOf(ClientFrame(kText, std::string(65535, 'x'), {true, true, 0, 8})) == 1002);
  // The first bit of a size of eight bytes must be 0.
  CHECK(CloseCodeOf(std::string("\x82\xff\x80\0\0\0\0\0\0\1maskx", 15)) == 1002);
}

TEST_CASE("websocket: text that is not UTF-8 is close 1007, however it is cut") {
  const std::string good = "\xce\xba\xe1\xbd\xb9\xcf\x83\xf0\x90\x8d\x88 \xf4\x8f\xbf\xbf";
  const std::vector<std::string> bad{"\x80",
                                     "\xbf",
                                     "\xc0\xaf",
                                     "\xc1\xbf",
                                     "\xe0\x80\x80",
                                     "\xed\xa0\x80",
                                     "\xf0\x80\x80\x80",
                                     "\xf4\x90\x80\x80",
                                     "\xf5",
                                     "\xff",
                                     "\xce",
                                     "\xe1\xbd",
                                     "\xf0\x90\x8d",
                                     "\xe1\xbd\x20",
                                     "\xf8\x88\x80\x80\x80"};
  for (const std::string& wrong : bad) {
    CAPTURE(wrong);
    CHECK(CloseCodeOf(ClientFrame(kText, wrong)) == 1007);
    CHECK(CloseCodeOf(ClientFrame(kBinary, wrong)) == 0);
    const std::string text = good + wrong;
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      CHECK(CloseCodeOf(ClientFrame(kText, text.substr(0, cut), NotFinal()) +
                        ClientFrame(kPing, "") + ClientFrame(kContinuation, text.substr(cut))) ==
            1007);
    }
  }
  for (std::size_t cut = 0; cut <= good.size(); ++cut) {
    Listening l;
    l.peer.Receive(ClientFrame(kText, good.substr(0, cut), NotFinal()));
    l.peer.Receive(ClientFrame(kContinuation, good.substr(cut)));
    REQUIRE(l.heard.messages.size() == 1);
    CHECK(l.heard.messages[0].first == good);
  }
}

TEST_CASE("websocket: text that can become UTF-8 no more is refused before its end") {
  CHECK(CloseCodeOf(ClientFrame(kText, "\xf4\x90", NotFinal())) == 1007);
  CHECK(CloseCodeOf(ClientFrame(kText, "\xed\xa0", NotFinal())) == 1007);
  CHECK(CloseCodeOf(ClientFrame(kText, "\xe0\x80", NotFinal())) == 1007);
  for (const char* cut : {"\xf4\x8f", "\xf4\x8f\xbf", "\xf0\x90", "\xed\x9f", "\xe0\xa0", "\xc2"}) {
    CHECK(CloseCodeOf(ClientFrame(kText, cut, NotFinal())) == 0);
  }
}

TEST_CASE("websocket: a message larger than the limit is close 1009, in fragments too") {
  WebSocketLimits limits;
  limits.max_message_bytes = 1000;
  CHECK(CloseCodeOf(ClientFrame(kText, std::string(1000, 'x')), limits) == 0);
  CHECK(CloseCodeOf(ClientFrame(kText, std::string(1001, 'x')), limits) == 1009);
  std::string fragments = ClientFrame(kBinary, std::string(500, 'x'), NotFinal());
  for (int i = 0; i < 4; ++i)
    fragments += ClientFrame(kContinuation, std::string(125, 'x'), NotFinal());
  CHECK(CloseCodeOf(fragments + ClientFrame(kContinuation, ""), limits) == 0);
  CHECK(CloseCodeOf(fragments + ClientFrame(kContinuation, "x"), limits) == 1009);
  // The size is enough: what would follow is not waited for.
  const std::string huge(
      "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"
      "maskx",
      15);
  CHECK(CloseCodeOf(huge, limits) == 1009);
}

TEST_CASE("websocket: a close is echoed with its code, and ends the session") {
  for (const unsigned code : {1000U, 1001U, 1002U, 1003U, 1007U, 1008U, 1009U, 1010U, 1011U, 1012U,
                              1013U, 1014U, 3000U, 3999U, 4000U, 4999U}) {
    Listening l;
    CHECK(l.CloseCodeAfter(ClientFrame(kClose, CloseCode(code) + "why")) == code);
    CHECK(l.peer.ended);
    REQUIRE(l.peer.end_within);
    CHECK(*l.peer.end_within == std::chrono::seconds(2));
    l.peer.Receive(ClientFrame(kText, "too late"));
    CHECK(l.heard.messages.empty());
  }
  for (const unsigned code :
       {0U, 999U, 1004U, 1005U, 1006U, 1015U, 1016U, 1100U, 2000U, 2999U, 5000U, 65535U}) {
    CAPTURE(code);
    CHECK(CloseCodeOf(ClientFrame(kClose, CloseCode(code))) == 1002);
  }
  for (const char* half : {"\x03", "\x0c"}) CHECK(CloseCodeOf(ClientFrame(kClose, half)) == 1002);
  CHECK(CloseCodeOf(ClientFrame(kClose, CloseCode(1000) + "\xff")) == 1007);
  CHECK(CloseCodeOf(ClientFrame(kClose, CloseCode(1000) + std::string(123, 'x'))) == 1000);
  Listening without_code;
  without_code.peer.Receive(ClientFrame(kClose, ""));
  CHECK(*without_code.peer.Frames() == std::vector<ServerFrame>{{kClose, ""}});
  CHECK(without_code.peer.ended);
}

TEST_CASE("websocket: byte by byte it comes to the same as in one piece") {
  std::string bytes = ClientFrame(kText, "one") + ClientFrame(kPing, "p");
  bytes += ClientFrame(kText, "\xce", NotFinal()) + ClientFrame(kPong, "");
  bytes += ClientFrame(kContinuation, "\xba") + ClientFrame(kBinary, std::string(70000, 'b'));
  bytes += ClientFrame(kText, std::string(300, 't')) + ClientFrame(kClose, CloseCode(1000));
  bytes += ClientFrame(kText, "behind the close");
  Listening whole;
  whole.heard.answer = "heard ";
  whole.peer.Receive(bytes);
  for (const std::size_t step : {1U, 2U, 7U, 4096U, 4097U}) {
    Listening l;
    l.heard.answer = "heard ";
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      l.peer.Receive(std::string_view(bytes).substr(at, step));
    }
    CHECK(l.heard.messages == whole.heard.messages);
    CHECK(l.peer.ended);
    const auto frames = l.peer.Frames();
    REQUIRE(frames);
    CHECK(frames->back().close_code() == 1000);
    // One at a time every message is answered, in one piece the last.
    if (step == 1) CHECK(frames->size() == 4 + 1 + 1);
  }
  CHECK(whole.heard.messages.size() == 4);
  CHECK(*whole.peer.Frames() ==
        std::vector<ServerFrame>{{kPong, "p"}, {kText, "heard 4"}, {kClose, CloseCode(1000)}});
}

TEST_CASE("websocket: without a listener messages are read over, and still checked") {
  SessionPeer peer;
  peer.Receive(ClientFrame(kText, std::string(100000, 'x')) + ClientFrame(kPing, "p"));
  CHECK(*peer.Frames() == std::vector<ServerFrame>{{kPong, "p"}});
  peer.Receive(ClientFrame(kText, "\xe1\xbd", NotFinal()));
  peer.Receive(ClientFrame(kContinuation, "\xb9"));
  CHECK(peer.sent.empty());
  peer.Receive(ClientFrame(kText, "\xff"));
  CHECK(peer.Frames()->back().close_code() == 1007);
}

TEST_CASE("websocket: what is half received must go on at its pace, and nothing else must") {
  constexpr auto kGrace = std::chrono::seconds(10);
  FakeClock clock;
  Listening l;
  const auto keeps_pace = [&] { return l.peer.session.KeepsPace(clock.Now(), kGrace, 1024); };
  const auto goes_on = [&](std::string_view bytes) {
    l.peer.Receive(bytes);
    return keeps_pace();
  };
  const auto slow_after = [&](Duration silence) {
    clock.Advance(silence - std::chrono::milliseconds(1));
    if (!keeps_pace()) return false;
    clock.Advance(std::chrono::milliseconds(1));
    return !keeps_pace();
  };
  SUBCASE("nothing is half received") {
    CHECK(goes_on({}));
    clock.Advance(std::chrono::hours(10));
    CHECK(goes_on(ClientFrame(kText, std::string(100'000, 'x')) + ClientFrame(kPing, "p")));
    clock.Advance(std::chrono::hours(10));
    CHECK(keeps_pace());
  }
  SUBCASE("a byte of a header, a half frame, half a control frame, a fragment, an empty one") {
    const std::string frame = ClientFrame(kBinary, "some");
    const std::vector<std::string> halves{
        frame.substr(0, 1), frame.substr(0, 7), ClientFrame(kPing, "ping").substr(0, 8),
        ClientFrame(kText, "frag", NotFinal()), ClientFrame(kText, "", NotFinal())};
    for (const std::string& half : halves) {
      CAPTURE(half);
      Listening each;
      each.peer.Receive(half);
      const MonoTime begin = clock.Now();
      CHECK(each.peer.session.KeepsPace(begin, kGrace, 1024));
      const MonoTime late = begin + kGrace;
      CHECK(each.peer.session.KeepsPace(late - std::chrono::milliseconds(1), kGrace, 1024));
      CHECK_FALSE(each.peer.session.KeepsPace(late, kGrace, 1024));
    }
  }
  SUBCASE("payload earns time") {
    CHECK(goes_on(ClientFrame(kText, "a", NotFinal())));
    CHECK(goes_on(ClientFrame(kContinuation, std::string(5 * 1024, 'x'), NotFinal())));
    CHECK(slow_after(std::chrono::seconds(15)));
  }
  SUBCASE("control frames earn none") {
    CHECK(goes_on(ClientFrame(kText, "a", NotFinal())));
    for (int i = 0; i < 9; ++i) {
      clock.Advance(std::chrono::seconds(1));
      for (int k = 0; k < 20; ++k) CHECK(goes_on(ClientFrame(kPing, std::string(125, 'p'))));
    }
    CHECK(slow_after(std::chrono::seconds(1)));
  }
  SUBCASE("a fast beginning earns no long silence") {
    const std::string frame = ClientFrame(kBinary, std::string(8U << 20, 'x'));
    CHECK(goes_on(std::string_view(frame).substr(0, 7U << 20)));
    CHECK(goes_on(std::string_view(frame).substr(7U << 20, 900'000)));
    CHECK(slow_after(std::chrono::seconds(10)));
  }
  SUBCASE("each message has its own time, however they are cut") {
    for (int i = 0; i < 10; ++i) {
      CHECK(goes_on(ClientFrame(kText, "x", NotFinal())));
      clock.Advance(std::chrono::seconds(6));
      CHECK(goes_on(ClientFrame(kContinuation, "y") + ClientFrame(kText, "x", NotFinal())));
      clock.Advance(std::chrono::seconds(6));
      CHECK(goes_on(ClientFrame(kContinuation, "y")));
    }
    CHECK(l.heard.messages.size() == 20);
  }
  SUBCASE("time in which the client was not read is not its own") {
    CHECK(goes_on(ClientFrame(kText, "a", NotFinal())));
    clock.Advance(std::chrono::seconds(100));
    l.peer.session.ForgivePace();
    CHECK(keeps_pace());
    CHECK(slow_after(std::chrono::seconds(10)));
  }
}

TEST_CASE("websocket: a client that is refused is told why, and is not heard any more") {
  Listening l;
  l.peer.Receive(ClientFrame(kText, "half", NotFinal()));
  l.peer.session.Refuse(kClosePolicy, "too slow");
  CHECK(*l.peer.Frames() == std::vector<ServerFrame>{{kClose, CloseCode(1008) + "too slow"}});
  CHECK(l.peer.ended);
  REQUIRE(l.peer.end_within);
  CHECK(*l.peer.end_within == std::chrono::seconds(2));
  l.peer.session.Receive(ClientFrame(kContinuation, "whole"));
  CHECK(l.heard.messages.empty());
}
