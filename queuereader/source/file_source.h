// Messages from files or standard input, one a line, in order; then the end. Files may be gzip or
// zstd, which is told by their first bytes.
//
// Empty lines are skipped, a carriage return before the newline is cut off, the last line needs no
// newline (but see UnfinishedLine). Standard input may be a pipe or a terminal: waiting for it
// leaves the loop free. What is requeued is kept in memory and fetched again after the input's end,
// or earlier where 10,000 have gathered, or where the input has brought nothing for 250 ms. A delay
// is waited for, but not while there is something else to read.
//
// A file that is damaged, cannot be read or has a line longer than 64 MiB is read up to there, and
// no file behind it: the source has failed, which Fetch() tells once all before is settled.
//
// Save() names for the file in hand where the last settled line ended, and holds what is to be
// tried again; so a reader that is killed goes on there, and no line is run twice. A file that has
// grown is read on; one with another beginning (of 1 KiB), or another path, from its beginning,
// which is logged; one that has become shorter refuses the start. Standard input has no place to go
// on from: what is read is gone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "queuereader/source/source.h"

namespace rivulet {

/// What becomes of a last line without a newline.
enum class UnfinishedLine : std::uint8_t {
  kRun,
  /// In a plain file on disk, the last one to read: it lies behind the place that Save() names, so
  /// that the next start reads it when it is whole. Logged. For who saves the place.
  kLeave,
};

/// `paths`: "-" is standard input; they are read one after the other. Each is looked at now, so
/// that a missing one is told.
Result<std::unique_ptr<Source>> OpenFileSource(EventLoop& loop, const Clock& clock,
                                               std::vector<std::string> paths,
                                               UnfinishedLine unfinished = UnfinishedLine::kRun);

}  // namespace rivulet
