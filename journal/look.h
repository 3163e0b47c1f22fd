// Looking at a journal's folder while its daemon may be running: nothing is changed, nothing
// locked.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "journal/recovery.h"
#include "journal/segment_files.h"

namespace rivulet {

/// The folder's segments; never none. kInvalidArgument: it is no journal.
Result<std::vector<SegmentFile>> SegmentsOf(const std::string& folder);
/// Whose journal it is, as the first header that can be read says; empty when none can.
std::string OwnerOf(const std::vector<SegmentFile>& segments);
/// The process that holds the lock.
std::optional<std::string> LockHolder(const std::string& folder);

struct Look {
  Status status;
  RecoveryReport report;
  std::vector<RecoveredSegment> segments;
};

/// Reads all of it as a start would. A daemon that runs may remove a segment meanwhile, which then
/// seems to be missing: it is tried again, and `begin` gives the visitor of each try.
Look LookAt(const std::string& folder, bool salvage, const std::function<RecordVisitor()>& begin);
/// The same, and when it is damaged what --salvage would make of it.
Look LookOrSalvage(const std::string& folder, const std::function<RecordVisitor()>& begin);

}  // namespace rivulet
