// The envelope: how a message carries its retries through a queue.
//
//   {"data":…,"tries":N,"retry_on":UNIXTIME|null,"started":UNIXTIME,"tasks_left":[…]}
//
// An object with a member `data` is an envelope; what is missing of the rest has its first value
// (0, null, now, every task), so that anyone can queue `{"data":…}` with a `retry_on` by hand.
// Everything else is a fresh message: it is the data itself. Members that are not ours are kept.
// The data's bytes are never rewritten, however often the message is requeued.
//
// Only the outermost object is an envelope: an envelope in `data` is data. What the original
// readers write is read as it is meant (retry_on as a float or null, started as a whole number);
// where they wrapped data that Python takes for false (0, "", false, null, {}, []) once more at
// every try, here it is data like any other.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"

namespace rivulet {

/// Not far beyond (the year 2255) nanoseconds since 1970 no longer fit in 64 bits.
inline constexpr WallTime kMaxRetryOn{std::chrono::seconds(9'000'000'000)};

struct Envelope {
  bool wrapped = false;             // false: fresh, and all below but `data` has its first value
  const JsonValue* root = nullptr;  // borrowed from the parsed document, as is data
  const JsonValue* data = nullptr;
  int tries = 0;  // that began before this one
  std::optional<WallTime> retry_on;
  std::optional<WallTime> started;
  bool names_tasks = false;                  // tasks_left was there
  std::vector<std::string_view> tasks_left;  // borrowed; each name once
};

/// Reads the envelope of a parsed message into `out`, reusing its memory. A member of a wrong type
/// is an error that names it. O(members).
Status ReadEnvelope(const JsonValue& root, Envelope* out);

/// The bytes of the data within the message that `envelope` was read from. O(bytes).
std::string_view DataText(std::string_view message, const Envelope& envelope);

/// What to requeue: the message's data and foreign members as they are, the rest as given; tries
/// and retry_on are cut where ReadEnvelope() would refuse them.
struct Retry {
  int tries = 0;
  std::optional<WallTime> retry_on;
  WallTime started{};
  std::vector<std::string_view> tasks_left;
};
std::string WriteEnvelope(std::string_view message, const Envelope& envelope, const Retry& retry);

}  // namespace rivulet
