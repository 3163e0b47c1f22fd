// What --salvage does with damage: the bytes go to FILE.bad, and void batches stand where they
// were, so that the next start finds the journal whole. All of it is synced before it returns, the
// copy before the original is overwritten.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "journal/disk.h"
#include "journal/format.h"

namespace rivulet {

/// Appends `bytes` to PATH.bad, and says in a line before them where they stood. The directory is
/// for the caller to sync.
Status SetAside(Disk& disk, const std::string& path, std::uint64_t offset, std::string_view bytes);

/// Void batches over [from, to) of the segment; `to - from` is 0 or at least kBatchHeaderBytes.
Status OverwriteByVoid(Disk& disk, const std::string& path, const SegmentHeader& header,
                       std::uint64_t from, std::uint64_t to);

/// A segment of void batches alone, `log_bytes` of them, in place of the file at `path` if there is
/// one.
Status WriteVoidSegment(Disk& disk, const std::string& path, const SegmentHeader& header,
                        std::uint64_t log_bytes);

}  // namespace rivulet
