// An event of a browser (or of a server that sends like one), as the collector has taken it: what
// the mapping makes messages of (collector/mapping.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"

namespace rivulet {

/// Views into the request and what was parsed of it; valid while the request is handled. Texts that
/// the browser did not send are empty. Everything here is what a stranger chose, but `at`, `remote`
/// and the marks.
struct Event {
  std::string_view type;      // "page_view", "impression"; never empty
  std::string_view party;     // this browser, for long
  std::string_view session;   // this visit
  std::string_view page;      // this view of a page
  std::string_view id;        // of the event itself: a repeat has the same
  std::string_view location;  // URL of the page
  std::string_view referer;   // URL of the page before
  std::string_view user_agent;
  std::string_view remote;                // address, as --remote-address says; empty: not kept
  const JsonValue* parameters = nullptr;  // an object, or nullptr
  std::int64_t viewport_width = 0;        // CSS pixels; 0: unknown. Likewise the next
  std::int64_t viewport_height = 0;
  std::int64_t screen_width = 0;
  std::int64_t screen_height = 0;
  std::int64_t client_time_ms = 0;  // the browser's clock, since 1970; 0: unknown
  WallTime at{};                    // when it came here
  bool bot = false;                 // the user agent says so
  bool duplicate = false;           // its id was seen within --duplicate-window
};

}  // namespace rivulet
