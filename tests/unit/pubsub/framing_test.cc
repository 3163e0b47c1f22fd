// Expected bytes: what the original pubsub was recorded to send.
#include "pubsub/framing.h"

#include <doctest/doctest.h>

#include <string>

namespace rivulet {
namespace {

std::string Encoded(Framing framing, std::string_view message) {
  std::string out(EncodedBytes(framing, message), '?');
  Encode(framing, message, out.data());
  return out;
}

TEST_CASE("framing: a line is the message and a newline, whatever its bytes") {
  CHECK(Encoded(Framing::kLines, "hello") == "hello\n");
  CHECK(Encoded(Framing::kLines, "") == "\n");
  CHECK(Encoded(Framing::kLines, "a\r") == "a\r\n");
  CHECK(Encoded(Framing::kLines, std::string_view("x\0y\xff", 4)) == std::string("x\0y\xff\n", 5));
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
      const std::string expected = "content-type: */*\r\ncontent-length: " + std::to_string(size) +
                                   "\r\n\r\n" + message + "\r\n--xXPubSubXx\r\n";
      CHECK(Encoded(Framing::kMultipart, message) == expected);
    }
  }
}

TEST_CASE("framing: streams begin and are typed as the original's") {
  CHECK(FramingPreamble(Framing::kLines) == "\r\n");
  CHECK(FramingPreamble(Framing::kMultipart) == "--xXPubSubXx\r\n");
  CHECK(FramingContentType(Framing::kLines) == "application/json");
  CHECK(FramingContentType(Framing::kMultipart) ==
        "multipart/x-mixed-replace; boundary=xXPubSubXx");
}

TEST_CASE("framing: a kicked client is told why in its own framing") {
  CHECK(EncodedKickNotice(Framing::kLines, 52429350) ==
        "ERROR_TOO_SLOW. kicked for having 52429350 pending bytes\n");
  CHECK(EncodedKickNotice(Framing::kMultipart, 52429350) ==
        "content-type: */*\r\ncontent-length: 56\r\n\r\n"
        "ERROR_TOO_SLOW. kicked for having 52429350 pending bytes\r\n--xXPubSubXx\r\n");
}

}  // namespace
}  // namespace rivulet
