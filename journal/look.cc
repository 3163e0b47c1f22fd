#include "journal/look.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <utility>

#include "journal/format.h"

namespace rivulet {

Result<std::vector<SegmentFile>> SegmentsOf(const std::string& folder) {
  auto segments = ListSegments(folder);
  if (segments.ok() && segments->empty()) {
    return InvalidArgument(fmt::format(
        "{}: must be the --data-path of a daemon: there is no .journal file in it", folder));
  }
  return segments;
}

std::string OwnerOf(const std::vector<SegmentFile>& segments) {
  for (const SegmentFile& segment : segments) {
    if (segment.header) return segment.header->owner;
  }
  return "";
}

// Without trying to take it: that might make a daemon's start fail.
std::optional<std::string> LockHolder(const std::string& folder) {
  struct stat file {};
  if (stat((folder + "/lock").c_str(), &file) != 0) return std::nullopt;
  const std::string wanted =
      fmt::format("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino);
  std::ifstream locks("/proc/locks");
  std::string number;
  std::string kind;
  std::string advice;
  std::string access;
  std::string pid;
  std::string inode;
  std::string rest;
  while (locks >> number >> kind >> advice >> access >> pid >> inode && std::getline(locks, rest)) {
    if (kind == "FLOCK" && inode == wanted) return pid;
  }
  return std::nullopt;
}

Look LookAt(const std::string& folder, bool salvage, const std::function<RecordVisitor()>& begin) {
  RecoveryOptions recovery;
  recovery.path = folder;
  recovery.salvage = salvage;
  recovery.read_only = true;
  constexpr int kTries = 5;
  for (int tries = 1;; ++tries) {
    Look look;
    auto segments = Recover(recovery, begin(), &look.report);
    look.status = segments.status();
    if (segments.ok()) look.segments = std::move(*segments);
    const bool good = look.status.ok() && look.report.bad_places == 0;
    if (good || tries == kTries || !LockHolder(folder)) return look;
  }
}

Look LookOrSalvage(const std::string& folder, const std::function<RecordVisitor()>& begin) {
  Look look = LookAt(folder, false, begin);
  return look.status.code() == StatusCode::kCorrupt ? LookAt(folder, true, begin) : look;
}

}  // namespace rivulet
