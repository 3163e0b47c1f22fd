// What a /get or /mget asks for, and how the messages that it takes are written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "simplequeue/api_options.h"
#include "simplequeue/queue.h"

namespace rivulet {

class Reply;
class Request;

struct Taking {
  enum class Format : std::uint8_t { kRaw, kFramed, kJson };

  bool many = false;  // asked of /mget, which takes up to `items`
  Format format = Format::kRaw;
  std::uint64_t items = 1;
  std::string separator;  // of kRaw and many
  Duration lease{};       // zero: the messages are forgotten
  Duration wait{};        // how long to wait for the first message

  bool leases() const { return lease != Duration::zero(); }
};

/// Answers 400 and returns false when a parameter is wrong. O(query).
bool ParseTaking(const Request& request, Reply& reply, const QueueOptions& options, bool many,
                 Taking* taking);

/// The wall clock's time of a moment on the monotonic one, by both as they stand now.
class UnixTimes {
 public:
  UnixTimes() = default;
  explicit UnixTimes(const Clock& clock) : mono_(clock.Now()), wall_(clock.WallNow()) {}
  WallTime At(MonoTime when) const { return wall_ + (when - mono_); }

 private:
  MonoTime mono_{};
  WallTime wall_{};
};

/// UNIX seconds with three decimals.
void AppendUnixTime(std::string* out, WallTime when);
/// `"body": "text"`, or `"body_base64": "…"` when the bytes are not valid UTF-8.
void AppendBodyMember(std::string* out, std::string_view body);

/// Bytes that AppendMessages writes; not of kJson.
std::size_t MessagesBytes(const Taking& taking, std::span<const Queue::Message> messages);
/// Messages taken for good. kJson asks `queue` for what else is known, so they must still be there.
void AppendMessages(std::string* out, const Taking& taking, const Queue& queue,
                    const UnixTimes& times, std::span<const Queue::Message> messages);
/// Messages under a lease, of /mget: framed or JSON.
void AppendLeases(std::string* out, const Taking& taking, const Queue& queue, std::uint32_t epoch,
                  const UnixTimes& times, std::span<const Queue::Lease> leases);

/// The header fields that tell of the one lease of a /get.
struct LeaseFields {
  std::string id;
  std::string receipt;
  std::string attempts;
  std::string put_at;

  LeaseFields(const Queue& queue, std::uint32_t epoch, const UnixTimes& times,
              const Queue::Lease& lease);
  /// Calls each(name, value).
  template <typename Each>
  void ForEach(Each&& each) const {
    each("X-Message-Id", id);
    each("X-Receipt", receipt);
    each("X-Attempts", attempts);
    each("X-Put-At", put_at);
  }
};

}  // namespace rivulet
