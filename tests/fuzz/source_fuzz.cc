// What a followed pubsub sends: lines and frames are the same whether they come at once or byte by
// byte, and whatever comes nothing more than the limit is held.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/frame_splitter.h"
#include "bridge/line_splitter.h"

namespace {

constexpr std::size_t kMaxMessageBytes = 16;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "source_fuzz: %s\n", what);
  std::abort();
}

struct Told final : rivulet::FrameSplitter::Sink {
  void OnFrame(std::uint64_t position, std::string_view message) override {
    Require(message.size() <= kMaxMessageBytes, "a message beyond the limit");
    told.push_back(std::to_string(position) + "=" + std::string(message));
  }
  void OnLongFrame(std::uint64_t position) override {
    told.push_back(std::to_string(position) + " too long");
  }
  void OnNotice(std::string_view notice) override { told.emplace_back(notice); }
  void OnMessage(std::string_view message) {
    Require(message.size() <= kMaxMessageBytes, "a line beyond the limit");
    told.emplace_back(message);
  }
  void OnTooLong() { told.emplace_back("too long"); }
  std::vector<std::string> told;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  {
    rivulet::FrameSplitter at_once(kMaxMessageBytes);
    rivulet::FrameSplitter bytewise(kMaxMessageBytes);
    Told whole;
    Told parts;
    const bool good = at_once.Feed(stream, &whole);
    bool all_good = true;
    for (const char c : stream) all_good = bytewise.Feed({&c, 1}, &parts);
    Require(good == all_good, "frames: another verdict byte by byte");
    Require(whole.told == parts.told, "frames: others byte by byte");
  }
  rivulet::LineSplitter at_once(kMaxMessageBytes);
  rivulet::LineSplitter bytewise(kMaxMessageBytes);
  Told whole;
  Told parts;
  at_once.Feed(stream, whole);
  at_once.Finish(whole);
  for (const char c : stream) bytewise.Feed({&c, 1}, parts);
  bytewise.Finish(parts);
  Require(whole.told == parts.told, "lines: others byte by byte");
  return 0;
}
