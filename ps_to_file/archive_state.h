// The state of an archive at one moment, in one small file: what the source was read up to, and how
// long each part file was then.
//
//   rivulet archive 1
//   made gzip lines
//   position 1234 http://127.0.0.1:8080/sub?topic=clicks
//   part 5678 0 NAME BASE TIMEKEY       NAME.part has 5678 bytes, and goes on
//   due 91011 0 NAME BASE TIMEKEY       NAME.part has 91011 bytes, and is to be renamed
//   end
//
// In names what is no printable ASCII, % and space are percent-encoded. The file is replaced as a
// whole. What part files hold behind their length came after that moment: a start cuts it off, and
// reads it from the source again, where that can be.
//
// A part file is named here, with length 0, before it is made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace rivulet {

struct PartRecord {
  std::string name;  // that the file gets once it is complete
  std::string base;  // and its name without the number: ps_to_file/file_name.h
  std::string time_key;
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
  bool due = false;

  std::string path() const { return name + ".part"; }
};

struct ArchiveState {
  std::string made;  // how files are written; parts of another way do not go on
  // By URL; the one that was followed stands first.
  std::vector<std::pair<std::string, std::uint64_t>> positions;
  std::vector<PartRecord> parts;
};

std::string FormatArchiveState(const ArchiveState& state);
/// kCorrupt when it is something else, or not all of it.
Result<ArchiveState> ParseArchiveState(std::string_view text);
/// No file is an empty state. Errors name the path. Blocks.
Result<ArchiveState> ReadArchiveState(const std::string& path);

}  // namespace rivulet
