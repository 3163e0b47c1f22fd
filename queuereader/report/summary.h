// What a reader did, for people (aligned text) and for scripts (one JSON document).
//
//   {"source":"…","messages":N,"finished":N,"dropped":N,"requeued":N,"given_up":N,"malformed":N,
//    "left":N,"seconds":S,"messages_per_second":R,
//    "tasks":[{"name":"…","done":N,"failed":N,"retried":N,"given_up":N,"counters":{"…":N,…},
//              "summary":{…}},…]}
//
// Text shows what was retried and given up where there was any, and counters (Context::Count) below
// the task's own lines. In a task's summary a count or a number is a number (null where it is not
// finite), a text a string, and a table an array of objects, one a row.
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
  /// Messages of the runs before, which a checkpoint held: the rate is of this run.
  std::uint64_t restored = 0;
};

/// Ends with a newline, both of them.
std::string SummaryText(const SummaryHead& head, const Reader& reader);
std::string SummaryJson(const SummaryHead& head, const Reader& reader);

/// Of one task alone: its summary as one JSON object, or as aligned text; ends with a newline.
std::string TaskSummaryJson(const Reader& reader, std::size_t task);
std::string TaskSummaryText(const Reader& reader, std::size_t task);

/// One line without a newline: what each task has found so far.
std::string ProgressLine(const Reader& reader, double messages_per_second);

}  // namespace rivulet
