// Events from what a browser sends: a POST body (one JSON object, or an array of them; the content
// type does not matter, sendBeacon says text/plain) or the query of a GET for a pixel.
//
// Names are short, because a script of 2 KB writes them; the same in JSON and in a query:
//
//   t  type          1 to 64 of [A-Za-z0-9._-]; the only one that must be there
//   p  party         at most 64 of [A-Za-z0-9:._-]; likewise s, v and i
//   s  session
//   v  page view
//   i  event id      a repeat has the same one
//   l  location      the page's URL, at most max_url_bytes
//   r  referer       the URL of the page before, likewise
//   w  viewport      "1280x720" in CSS pixels, each at most 99999; likewise c
//   c  screen
//   u  client time   milliseconds since 1970, a whole number
//   d  parameters    a JSON object; in a query its text
//
// null, "" and parameters {} are as good as nothing. Of a repeated name the first counts; unknown
// names are ignored. A sender that is trusted (it knows the token: a server) may also say
//
//   at      when it happened, milliseconds since 1970
//   ua      its visitor's user agent
//   remote  its visitor's address, at most 64 of [A-Za-z0-9:._-]
//
// What is wrong is refused, not repaired: the reason names the field, the value (cut and escaped:
// safe in a log or an answer) and what would be right. In a batch the good events are taken.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "collector/event.h"

namespace rivulet {

struct EventLimits {
  std::size_t max_events = 100;                  // in one body
  std::size_t max_url_bytes = 8000;              // location, referer
  std::size_t max_parameters_bytes = 16 * 1024;  // keys, texts, and 8 for every value
  std::size_t max_parameters_members = 64;       // in all of its objects
  int max_parameters_depth = 8;                  // {} is 1
  std::size_t max_user_agent_bytes = 1024;       // a longer one is cut
};

/// What the request itself says; for all of its events.
struct EventSender {
  std::string_view user_agent;
  std::string_view remote;    // as it is to be kept (collector/remote_address.h)
  std::string_view location;  // where an event has none: of a pixel the Referer. Too long: ignored
  WallTime at{};              // now
  bool trusted = false;
};

struct RefusedEvent {
  std::size_t index = 0;  // in the array, from 0
  std::string reason;     // "type 'a b' must be 1 to 64 of A-Z a-z 0-9 . _ -"
};

/// Keeps its memory from one request to the next. Movable. Thread: any, one at a time.
class EventReader {
 public:
  explicit EventReader(EventLimits limits = {});
  ~EventReader();
  EventReader(EventReader&&) noexcept;
  EventReader& operator=(EventReader&&) noexcept;

  /// Reads a request's events; those of the one before are gone. OK when it could be read, even if
  /// every event in it was refused. Else there are none: kInvalidArgument for what is not JSON, or
  /// neither object nor array (or an array of nothing); kTooLarge for more than max_events.
  /// O(body).
  Status ReadBody(std::string_view body, const EventSender& sender);
  /// `query` is what stands behind the `?`, undecoded. One event, or one refused.
  void ReadQuery(std::string_view query, const EventSender& sender);

  /// Not const, because the marks are the caller's to set. The views in them borrow from this
  /// reader, the body and the sender, until the next Read.
  std::span<Event> events();
  std::span<const RefusedEvent> refused() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
