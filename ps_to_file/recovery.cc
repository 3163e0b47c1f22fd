#include "ps_to_file/recovery.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "ps_to_file/file_name.h"
#include "ps_to_file/part_files.h"

namespace rivulet {

namespace {

// Where the last whole line of the file ends, between the two; `begin` when there is none behind.
Result<std::uint64_t> EndOfLines(const std::string& path, std::uint64_t begin, std::uint64_t end) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return IoError("open " + path, errno);
  std::array<char, 65536> piece;
  ssize_t got = 1;
  auto newline = std::string_view::npos;
  while (end > begin && got > 0 && newline == std::string_view::npos) {
    const std::uint64_t size = std::min<std::uint64_t>(piece.size(), end - begin);
    got = pread(fd, piece.data(), size, static_cast<off_t>(end - size));
    if (got <= 0) break;
    newline = std::string_view(piece.data(), static_cast<std::size_t>(got)).rfind('\n');
    end -= size;
  }
  const int error = errno;
  close(fd);
  if (got < 0) return IoError("read " + path, error);
  return newline == std::string_view::npos ? begin : end + newline + 1;
}

class Recovery {
 public:
  Recovery(const ArchiveState& state, const std::string& made, const std::string& time_key,
           Disk& disk, bool comes_again)
      : same_way_(state.made == made),
        lines_(state.made == "none lines"),
        comes_again_(comes_again),
        time_key_(time_key),
        disk_(disk) {}

  /// True when the part goes on.
  Result<bool> Mend(PartRecord* part) {
    const auto found = FileBytes(part->path());
    if (!found.ok()) return found.status();
    if (!*found) {
      // A due one was renamed already. One of no length was to be made.
      if (!part->due && part->bytes > 0) {
        LogError("{}: was removed by somebody, with {} bytes", part->path(), part->bytes);
      }
      return false;
    }
    const bool odd_end = !comes_again_ && **found > part->bytes && !lines_;
    if (!comes_again_ && **found > part->bytes) {
      if (Status status = KeepEnd(part, **found); !status.ok()) return status;
    }
    if (part->bytes == 0) {
      folders_.insert(FolderOfPath(part->path()));
      if (Status status = disk_.Remove(part->path()); !status.ok()) return status;
      return false;
    }
    const std::uint64_t bytes = **found;
    if (bytes > part->bytes) {
      LogInfo("{}: {} bytes that came after the last checkpoint are cut", part->path(),
              bytes - part->bytes);
      if (Status status = Cut(*part); !status.ok()) return status;
    }
    if (bytes < part->bytes) {
      LogError("{}: has {} bytes and not {}: the others were lost", part->path(), bytes,
               part->bytes);
    } else if (!part->due && !odd_end && same_way_ && part->time_key == time_key_ &&
               bases_.insert(part->base).second) {
      return true;
    }
    if (Status status = Finish(*part); !status.ok()) return status;
    return false;
  }

  Status SyncFolders() {
    for (const auto& folder : folders_) {
      if (Status status = disk_.SyncDirectory(folder); !status.ok()) return status;
    }
    return Status::Ok();
  }

 private:
  Status KeepEnd(PartRecord* part, std::uint64_t bytes) const {
    const auto end =
        lines_ ? EndOfLines(part->path(), part->bytes, bytes) : Result<std::uint64_t>(bytes);
    if (!end.ok()) return end.status();
    if (*end == part->bytes) return Status::Ok();
    LogWarning(
        "{}: {} bytes that came after the last checkpoint are kept, as they may not come again",
        part->path(), *end - part->bytes);
    part->bytes = *end;
    return Status::Ok();
  }

  Status Cut(const PartRecord& part) {
    const auto file = disk_.Open(part.path());
    if (!file.ok()) return file.status();
    return (*file)->Truncate(part.bytes);
  }

  Status Finish(const PartRecord& part) {
    std::string name = part.name;
    // Its own suffix: how files are compressed now may be another way.
    const std::string_view suffix = part.name.ends_with(".gz")    ? ".gz"
                                    : part.name.ends_with(".zst") ? ".zst"
                                                                  : "";
    for (std::uint64_t number = part.number;;) {
      const auto renamed = RenameToFree(part.path(), name);
      if (!renamed.ok()) return renamed.status();
      if (*renamed != RenameOutcome::kTaken) break;
      name = NumberedName(part.base, ++number, suffix);
    }
    folders_.insert(FolderOfPath(name));
    LogInfo("{}: complete, {} bytes", name, part.bytes);
    return Status::Ok();
  }

  bool same_way_;
  bool lines_;  // files are of plain lines
  bool comes_again_;
  const std::string& time_key_;
  Disk& disk_;
  std::set<std::string> bases_;  // that go on; one file each
  std::set<std::string> folders_;
};

}  // namespace

Result<ArchiveState> Recover(ArchiveState state, const std::string& made,
                             const std::string& time_key, Disk& disk, bool comes_again) {
  Recovery recovery(state, made, time_key, disk, comes_again);
  std::vector<PartRecord> going_on;
  for (auto& part : state.parts) {
    const auto goes_on = recovery.Mend(&part);
    if (!goes_on.ok()) return goes_on.status();
    if (*goes_on) going_on.push_back(std::move(part));
  }
  if (Status status = recovery.SyncFolders(); !status.ok()) return status;
  state.parts = std::move(going_on);
  state.made = made;
  return state;
}

}  // namespace rivulet
