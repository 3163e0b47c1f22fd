// What a reader did, for people (aligned text) and for scripts (one JSON document).
//
//   {"source":"…","messages":N,"finished":N,"dropped":N,"requeued":N,"given_up":N,"malformed":N,
//    "left":N,"seconds":S,"messages_per_second":R,
//    "tasks":[{"name":"…","done":N,"failed":N,"summary":{…}},…]}
//
// In a task's summary a count or a number is a number (null where it is not finite), a text a
// string, and a table an array of objects, one a row.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "queuereader/reader.h"

namespace rivulet {

struct SummaryHead {
  std::string source;      // Source::name()
  std::uint64_t left = 0;  // Runner::left()
  Duration elapsed{};
};

/// Ends with a newline, both of them.
std::string SummaryText(const SummaryHead& head, const Reader& reader);
std::string SummaryJson(const SummaryHead& head, const Reader& reader);

/// One line without a newline: what each task has found so far.
std::string ProgressLine(const Reader& reader, double messages_per_second);

}  // namespace rivulet
