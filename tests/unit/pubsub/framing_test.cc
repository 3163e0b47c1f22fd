// Expected bytes: multipart and lines as the original pubsub was recorded to send them; event
// streams by WHATWG HTML 9.2, WebSocket frames by RFC 6455 5.2 and its examples in 5.7, by hand.
#include "pubsub/framing.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/unit/pubsub/framing_decoders.h"

namespace rivulet {
namespace {

using namespace std::string_view_literals;  // NOLINT(*-using-namespace): NULs in literals

constexpr Framing kAll[] = {Framing::kMultipart, Framing::kLines,      Framing::kFramed,
                            Framing::kSse,       Framing::kWebSocket,  Framing::kLinesAt,
                            Framing::kFramedAt,  Framing::kWebSocketAt};
static_assert(std::size(kAll) == kFramingCount);

std::string Encoded(Framing framing, std::string_view position, std::string_view message) {
  const std::size_t bytes = EncodedBytes(framing, position, message);
  std::string out(bytes + 1, '?');
  Encode(framing, position, message, out.data());
  CHECK(out.back() == '?');
  out.pop_back();
  return out;
}
std::string Encoded(Framing framing, std::string_view message) {
  return Encoded(framing, FramingHasPositions(framing) ? "17" : "", message);
}

TEST_CASE("framing: a line is the message and a newline, whatever its bytes") {
  CHECK(Encoded(Framing::kLines, "hello") == "hello\n");
  CHECK(Encoded(Framing::kLines, "") == "\n");
  CHECK(Encoded(Framing::kLines, "a\r") == "a\r\n");
  CHECK(Encoded(Framing::kLines, "x\0y\xff"sv) == "x\0y\xff\n"sv);
}

TEST_CASE("framing: a part has its length, and ends with the boundary") {
  CHECK(Encoded(Framing::kMultipart, "hello") ==
        "content-type: */*\r\ncontent-length: 5\r\n\r\nhello\r\n--xXPubSubXx\r\n");
  CHECK(Encoded(Framing::kMultipart, "") ==
        "content-type: */*\r\ncontent-length: 0\r\n\r\n\r\n--xXPubSubXx\r\n");
  const std::string ten(10, 'x');
  CHECK(Encoded(Framing::kMultipart, ten) ==
        "content-type: */*\r\ncontent-length: 10\r\n\r\n" + ten + "\r\n--xXPubSubXx\r\n");
}

TEST_CASE("framing: sizes are told right around every power of ten") {
  for (std::size_t power = 1; power <= 1'000'000; power *= 10) {
    for (const std::size_t size : {power - 1, power, power + 1}) {
      const std::string message(size, 'm');
      CHECK(Encoded(Framing::kMultipart, message) ==
            "content-type: */*\r\ncontent-length: " + std::to_string(size) + "\r\n\r\n" + message +
                "\r\n--xXPubSubXx\r\n");
      CHECK(Encoded(Framing::kFramed, message) == std::to_string(size) + "\n" + message + "\n");
    }
  }
}

TEST_CASE("framing: the position stands before the message, in framed before the size") {
  CHECK(Encoded(Framing::kLinesAt, "17", "hello") == "17 hello\n");
  CHECK(Encoded(Framing::kLinesAt, "9 a 3", "") == "9 a 3 \n");
  CHECK(Encoded(Framing::kFramed, "hello") == "5\nhello\n");
  CHECK(Encoded(Framing::kFramedAt, "17", "hello") == "17 5\nhello\n");
  CHECK(Encoded(Framing::kFramedAt, "9 a 3", "") == "9 a 3 0\n\n");
  CHECK(Encoded(Framing::kWebSocketAt, "17", "hello") ==
        "\x81\x08"sv
        "17 hello");
}

TEST_CASE("sse: the position is the id, and every line of a message has a field of its own") {
  struct Case {
    std::string_view message;
    std::string_view fields;
  };
  for (const Case& c : {
           Case{"hello", "data: hello\n"},
           Case{"", "data:\n"},
           Case{" spaced ", "data:  spaced \n"},
           Case{": no comment", "data: : no comment\n"},
           Case{"a\nb", "data: a\ndata: b\n"},
           Case{"a\rb", "data: a\ndata: b\n"},
           Case{"a\r\nb", "data: a\ndata: b\n"},
           Case{"a\n\rb", "data: a\ndata: \ndata: b\n"},
           Case{"a\r\r\nb", "data: a\ndata: \ndata: b\n"},
           Case{"a\n", "data: a\ndata: \n"},
           Case{"\n", "data: \ndata: \n"},
           Case{"\r\n", "data: \ndata: \n"},
           Case{"\n\n", "data: \ndata: \ndata: \n"},
           Case{"\nid: 4\n\ndata: x", "data: \ndata: id: 4\ndata: \ndata: data: x\n"},
       }) {
    CAPTURE(c.message);
    CHECK(Encoded(Framing::kSse, "17", c.message) == "id: 17\n" + std::string(c.fields) + "\n");
  }
  CHECK(Encoded(Framing::kSse, "204 clicks.eu 99", "m") == "id: 204 clicks.eu 99\ndata: m\n\n");
}

TEST_CASE("websocket: a frame has the shortest size, and is text where the message is UTF-8") {
  CHECK(Encoded(Framing::kWebSocket, "Hello") == "\x81\x05Hello");  // 5.7
  CHECK(Encoded(Framing::kWebSocket, "") == "\x81\x00"sv);
  CHECK(Encoded(Framing::kWebSocket, std::string(125, 'x')) == "\x81\x7d" + std::string(125, 'x'));
  CHECK(Encoded(Framing::kWebSocket, std::string(126, 'x')) ==
        std::string("\x81\x7e\x00\x7e"sv) + std::string(126, 'x'));
  CHECK(Encoded(Framing::kWebSocket, std::string(65535, 'x')) ==
        std::string("\x81\x7e\xff\xff") + std::string(65535, 'x'));
  CHECK(Encoded(Framing::kWebSocket, std::string(65536, 'x')) ==
        std::string("\x81\x7f\0\0\0\0\0\1\0\0"sv) + std::string(65536, 'x'));
  CHECK(Encoded(Framing::kWebSocket, "\xc3\xa9") == "\x81\x02\xc3\xa9");
  CHECK(Encoded(Framing::kWebSocket, "\xff") == "\x82\x01\xff");
  CHECK(Encoded(Framing::kWebSocket, "caf\xc3") ==
        "\x82\x04"
        "caf\xc3");                                                               // cut short
  CHECK(Encoded(Framing::kWebSocket, "\xed\xa0\x80") == "\x82\x03\xed\xa0\x80");  // a surrogate
  CHECK(Encoded(Framing::kWebSocketAt, "\xff") ==
        "\x82\x04"
        "17 \xff");
}

TEST_CASE("framing: any message comes out of any framing as it went in") {
  std::mt19937 random(55'004);
  constexpr std::string_view kAlphabet = "ab \n\r:0\0\xff\xc3\xa9"sv;
  for (int round = 0; round < 3000; ++round) {
    std::string message;
    for (std::size_t size = random() % 20; message.size() < size;) {
      message += kAlphabet[random() % kAlphabet.size()];
    }
    for (const Framing framing : kAll) {
      const bool lines = framing == Framing::kLines || framing == Framing::kLinesAt;
      if (lines && message.find('\n') != std::string::npos) continue;
      const int words = random() % 2 == 0 ? 1 : 3;
      const std::string position =
          FramingHasPositions(framing) ? (words == 1 ? "42" : "42 a-topic 7") : "";
      const std::string stream = Encoded(framing, position, message) + "after";
      std::string_view rest = stream;
      const auto decoded = decoders::TakeMessage(framing, words, &rest);
      const std::string expected =
          framing == Framing::kSse ? decoders::WithLineFeeds(message) : message;
      if (decoded != decoders::Decoded{position, expected} || rest != "after") {
        CAPTURE(static_cast<int>(framing));
        CAPTURE(message);
        FAIL("another message");
      }
    }
  }
}

TEST_CASE("framing: streams begin and are typed as the original's, or as their standard says") {
  struct Case {
    Framing framing;
    std::string_view type;
    std::string_view preamble;
  };
  for (const Case& c : {Case{Framing::kLines, "application/json", "\r\n"},
                        Case{Framing::kMultipart, "multipart/x-mixed-replace; boundary=xXPubSubXx",
                             "--xXPubSubXx\r\n"},
                        Case{Framing::kSse, "text/event-stream", "retry: 1000\n\n"},
                        Case{Framing::kFramed, "application/vnd.rivulet.framed", ""},
                        Case{Framing::kFramedAt, "application/vnd.rivulet.framed; offsets=1", ""},
                        Case{Framing::kLinesAt, "text/plain; charset=utf-8", ""},
                        Case{Framing::kWebSocket, "", ""}, Case{Framing::kWebSocketAt, "", ""}}) {
    CHECK(FramingContentType(c.framing) == c.type);
    CHECK(FramingPreamble(c.framing) == c.preamble);
  }
}

TEST_CASE("framing: a kicked client is told why in its own framing") {
  const std::string why = "ERROR_TOO_SLOW. kicked for having 52429350 pending bytes";
  CHECK(EncodedKickNotice(Framing::kLines, 52429350) == why + "\n");
  CHECK(EncodedKickNotice(Framing::kMultipart, 52429350) ==
        "content-type: */*\r\ncontent-length: 56\r\n\r\n" + why + "\r\n--xXPubSubXx\r\n");
  CHECK(EncodedKickNotice(Framing::kFramed, 52429350) == "56\n" + why + "\n");
  CHECK(EncodedKickNotice(Framing::kLinesAt, 52429350) == "- " + why + "\n");
  CHECK(EncodedKickNotice(Framing::kFramedAt, 52429350) == "- 56\n" + why + "\n");
  CHECK(EncodedKickNotice(Framing::kSse, 52429350) == "event: kicked\ndata: " + why + "\n\n");
  for (const Framing framing : {Framing::kWebSocket, Framing::kWebSocketAt}) {
    // 5.5.1: a close frame's body is a code in network order (1008, 7.4.1), and a reason.
    CHECK(EncodedKickNotice(framing, 52429350) == "\x88\x3a\x03\xf0" + why);
  }
}

TEST_CASE("framing: a gap is told with what is missed and where it goes on") {
  const Gap gap{25, 42};
  const std::string json = R"({"_gap_":{"missed":25,"next":42}})";
  CHECK(json.size() == 33);
  CHECK(EncodedGap(Framing::kLines, gap) == json + "\n");
  CHECK(EncodedGap(Framing::kLinesAt, gap) == "- " + json + "\n");
  CHECK(EncodedGap(Framing::kFramed, gap) == "33\n" + json + "\n");
  CHECK(EncodedGap(Framing::kFramedAt, gap) == "- 33\n" + json + "\n");
  CHECK(EncodedGap(Framing::kWebSocket, gap) == "\x81\x21" + json);
  CHECK(EncodedGap(Framing::kWebSocketAt, gap) == "\x81\x23- " + json);
  CHECK(EncodedGap(Framing::kMultipart, gap) ==
        "content-type: */*\r\ncontent-length: 33\r\n\r\n" + json + "\r\n--xXPubSubXx\r\n");
  CHECK(EncodedGap(Framing::kSse, gap) == "event: gap\ndata: {\"missed\":25,\"next\":42}\n\n");
  CHECK(EncodedGap(Framing::kLines, {std::nullopt, 0}) ==
        "{\"_gap_\":{\"missed\":null,\"next\":0}}\n");
}

TEST_CASE("framing: a heartbeat is a message, a comment or a ping, and no event") {
  const WallTime now{std::chrono::milliseconds(1'331'923'247'999)};
  const std::string json = R"({"_heartbeat_":1331923247})";
  CHECK(EncodedHeartbeat(Framing::kLines, now) == json + "\n");
  CHECK(EncodedHeartbeat(Framing::kLinesAt, now) == "- " + json + "\n");
  CHECK(EncodedHeartbeat(Framing::kFramed, now) == "26\n" + json + "\n");
  CHECK(EncodedHeartbeat(Framing::kFramedAt, now) == "- 26\n" + json + "\n");
  CHECK(EncodedHeartbeat(Framing::kMultipart, now) ==
        "content-type: */*\r\ncontent-length: 26\r\n\r\n" + json + "\r\n--xXPubSubXx\r\n");
  CHECK(EncodedHeartbeat(Framing::kWebSocket, now) ==
        "\x89\x0a"
        "1331923247");
  const std::string comment = EncodedHeartbeat(Framing::kSse, now);
  CHECK(comment.starts_with(":"));
  CHECK(decoders::EventStream().Read(comment).empty());
  const auto events = decoders::EventStream().Read(Encoded(Framing::kSse, "1", "a") + comment +
                                                   Encoded(Framing::kSse, "2", "b") + comment);
  CHECK(events.size() == 2);
}

TEST_CASE("framing: a stream's end has a word of its own where the framing has one") {
  for (const Framing framing : kAll) {
    for (const bool going_down : {false, true}) {
      const std::string end = EncodedEnd(framing, going_down);
      if (IsWebSocket(framing)) {
        std::string_view rest = end;
        const auto frame = decoders::TakeWebSocketFrame(&rest);
        CHECK(rest.empty());
        CHECK(frame.opcode == 8);
        CHECK(frame.payload.substr(0, 2) == (going_down ? "\x03\xe9" : "\x03\xe8"));  // 1001, 1000
      } else if (framing == Framing::kSse) {
        CHECK(end.starts_with(":"));
        CHECK(end.ends_with("\n\n"));
        CHECK(decoders::EventStream().Read(end).empty());
      } else {
        CHECK(end.empty());
      }
    }
  }
}

}  // namespace
}  // namespace rivulet
