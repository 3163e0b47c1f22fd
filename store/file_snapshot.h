// The snapshot of a file store: one file, replaced as a whole. All numbers are little-endian.
//
//    0  8  magic "rivuletS"
//    8  4  version, 1
//   12  4  0
//   16  8  check: XXH3-64 of what follows the head, seeded with the XXH3-64 of the head with these
//          8 bytes zero
//   24  8  first segment of the journal that it does not cover
//   32  8  position in the journal where that one begins
//   40  8  time of the store, in nanoseconds since 1970
//   48  8  bytes that follow
//   56     MemoryStore::Save()
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

struct FileSnapshot {
  std::uint64_t segment = 1;
  std::uint64_t position = 0;
  WallTime time{};
  std::string saved;  // MemoryStore::Save()
};

/// The whole file.
std::string EncodeFileSnapshot(const FileSnapshot& snapshot);
/// `path` is for messages. kCorrupt: damaged; kInvalidArgument: of a newer format.
Result<FileSnapshot> DecodeFileSnapshot(std::string_view bytes, const std::string& path);
/// Nothing where there is no such file. Errors as DecodeFileSnapshot()'s, and kIoError.
Result<std::optional<FileSnapshot>> ReadFileSnapshot(const std::string& path);

}  // namespace rivulet
