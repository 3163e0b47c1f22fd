// Framings: any bytes are encoded into exactly as many as were said, and readers written from the
// framings' specifications take the same message out again (in an event stream with its line ends
// as LF).
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "pubsub/framing.h"
#include "tests/unit/pubsub/framing_decoders.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(bytes), size);
  for (std::size_t i = 0; i < rivulet::kFramingCount; ++i) {
    const auto framing = static_cast<rivulet::Framing>(i);
    const bool lines = framing == rivulet::Framing::kLines || framing == rivulet::Framing::kLinesAt;
    if (lines && message.find('\n') != std::string_view::npos) continue;
    for (const int words : {1, 3}) {
      std::string position;
      if (rivulet::FramingHasPositions(framing)) position = words == 1 ? "17" : "204 a.topic-1 17";
      std::string stream(rivulet::EncodedBytes(framing, position, message), '\0');
      rivulet::Encode(framing, position, message, stream.data());
      std::string_view rest = stream;
      const auto decoded = rivulet::decoders::TakeMessage(framing, words, &rest);
      Require(rest.empty());
      Require(decoded.position == position);
      Require(decoded.body == (framing == rivulet::Framing::kSse
                                   ? rivulet::decoders::WithLineFeeds(message)
                                   : message));
    }
  }
  return 0;
}
