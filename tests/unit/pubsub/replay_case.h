// What tests of replays share: topics with a past that tests let go of, and replays read in lines.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pubsub/replay.h"
#include "tests/unit/pubsub/subscriber_support.h"

namespace rivulet {

inline constexpr std::uint64_t kNever = UINT64_MAX;

inline ReplayStart From(std::uint64_t position) {
  return {.kind = ReplayStart::Kind::kPosition, .position = position};
}
inline constexpr ReplayStart kEarliest{.kind = ReplayStart::Kind::kEarliest};

// Gathers and takes all there is now, in lines.
inline std::string ReadOn(Replay* replay) {
  std::string got;
  while (true) {
    iovec piece[1];
    const auto gathered = replay->Gather(piece, kMaxGatherBytes);
    REQUIRE(gathered.ok());
    if (gathered->pieces == 0) return got;
    got.append(static_cast<const char*>(piece[0].iov_base), piece[0].iov_len);
    replay->Consume(piece[0].iov_len);
  }
}

struct ReplayCase {
  explicit ReplayCase(std::string_view selection, std::uint64_t until = kNever,
                      std::shared_ptr<Filter> filter = nullptr)
      : feed(topics.FeedOf(selection, std::move(filter))), end(until) {}
  // What a replay from there gives, to now.
  std::string Get(const ReplayStart& start) {
    Replay replay(&topics.set, feed, Framing::kLines, end, &buffer);
    REQUIRE(replay.Start(start).ok());
    gap = replay.gap();
    position = replay.position();
    replay.ClearGap();
    const std::string got = ReadOn(&replay);
    CHECK((replay.caught_up() || replay.at_end()));
    return got;
  }

  test::PlainTopics topics;
  ReplayBuffer buffer;
  Feed* feed;
  std::uint64_t end;
  std::optional<Gap> gap;
  std::uint64_t position = 0;
};

}  // namespace rivulet
