// Finds runs of messages (pubsub/record.h) in the journal. Shared by all pasts on disk, so that the
// run which was read last is at hand when its next message is asked for.
//
// Thread: the loop's. Blocks as long as a read of the disk takes.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "journal/format.h"
#include "journal/reader.h"
#include "pubsub/record.h"

namespace rivulet {

class RunReader {
 public:
  struct Found {
    MessageRun run;
    std::string_view record;
    RecordPlace place;  // of the run
    RecordPlace next;   // behind it
  };

  /// `reader` must outlive it.
  explicit RunReader(JournalReader* reader) : reader_(reader) {}

  /// The first run of that topic at `place` or behind it; nullptr when none begins before `end`.
  /// Valid until the next call. O(records passed over); O(1) for the same place and topic as in the
  /// call before.
  Result<const Found*> Find(std::uint32_t topic, const RecordPlace& place, std::uint64_t end);
  /// As JournalReader::Forget.
  void Forget(std::uint64_t segment);

 private:
  JournalReader* reader_;
  bool has_found_ = false;
  Found found_;
};

}  // namespace rivulet
