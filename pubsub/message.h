// A published message, and what tells where it stands.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace rivulet {

/// Views are valid during the call that the message is passed to.
struct TopicMessage {
  std::string_view topic;      // its name
  std::uint64_t offset = 0;    // in its topic: dense, from 0
  std::uint64_t sequence = 0;  // over all topics: dense, from 0
  WallTime time{};             // when it was published; never before the message before it
  std::string_view body;       // any bytes
};

}  // namespace rivulet
