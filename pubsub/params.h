// The parameters of /sub and /pub: what a client asks for, or what is wrong with it.
//
// Pure: nothing is made and nothing looked up, so that a HEAD is checked as its GET is. Every error
// (kInvalidArgument) names the parameter, its value and what would be right. A parameter that is
// given twice counts by its first value; one that is not known is not looked at.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "pubsub/framing.h"
#include "pubsub/replay.h"
#include "pubsub/selection.h"

namespace rivulet {

class Request;

inline constexpr std::string_view kDefaultTopic = "default";

struct SubscribeParams {
  /// `until=`: where the answer ends.
  enum class Until : std::uint8_t { kNever, kNow, kPosition };

  Selection selection;
  Framing framing = Framing::kMultipart;
  std::string client;
  bool filtered = false;
  std::string filter_subject;
  std::string filter_pattern;
  ReplayStart start;
  bool resumes = false;  // it said where to begin: the answer's head tells from where it reads
  bool from_event_id = false;  // by Last-Event-ID: an EventSource that comes back
  Until until = Until::kNever;
  std::uint64_t until_position = 0;
  bool skips_when_slow = false;
  Duration heartbeat{};  // zero: none
};

/// `now`: what `since=5m` counts back from.
Result<SubscribeParams> ParseSubscribe(const Request& request, WallTime now);

struct PublishParams {
  enum class Format : std::uint8_t {
    kLines,   // one message a line
    kFramed,  // base/frames.h
    kWhole,   // the body is one message
  };

  std::string topic;
  Format format = Format::kLines;
  std::string key;  // Idempotency-Key; empty: none was given
};

/// A WebSocket's messages are published whole unless format=lines is asked for.
Result<PublishParams> ParsePublish(const Request& request);

}  // namespace rivulet
