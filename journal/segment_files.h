// A journal's folder as recovery finds it: which segments there are, and their bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "journal/format.h"

namespace rivulet {

/// The file's first bytes, at most so many. Read and not mapped: a daemon may shorten the file
/// meanwhile (rivulet-journal looks at live folders), and a disk's error is a Status, not a signal.
Result<std::string> ReadFileBytes(const std::string& path, std::size_t max_bytes = SIZE_MAX);

struct SegmentFile {
  std::uint64_t number = 0;
  std::string path;
  std::uint64_t bytes = 0;  // of the file
  /// Nothing when it cannot be read, or is not this segment's.
  std::optional<SegmentHeader> header;
  bool blank = false;               // there was no header yet: zeros, or a shorter file
  std::uint64_t data_bytes = 0;     // without a header: up to its last byte that is not zero
  bool data_behind_header = false;  // without a header: some of them lie behind its 64 bytes
};

/// All segments of the folder, lowest number first, their headers read. Those that are removed
/// meanwhile are left out.
Result<std::vector<SegmentFile>> ListSegments(const std::string& folder);

/// Bytes up to the last one that is not zero.
std::uint64_t DataBytes(std::string_view bytes);

}  // namespace rivulet
