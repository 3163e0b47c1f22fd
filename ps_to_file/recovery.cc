#include "ps_to_file/recovery.h"

#include <fmt/format.h>

#include <set>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "ps_to_file/file_name.h"
#include "ps_to_file/part_files.h"

namespace rivulet {

namespace {

class Recovery {
 public:
  Recovery(const ArchiveState& state, const std::string& made, const std::string& time_key,
           Disk& disk)
      : same_way_(state.made == made), time_key_(time_key), disk_(disk) {}

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
    if (part->bytes == 0) {
      folders_.insert(FolderOfPath(part->path()));
      if (Status status = disk_.Remove(part->path()); !status.ok()) return status;
      return false;
    }
    const std::uint64_t bytes = **found;
    if (bytes > part->bytes) {
      if (Status status = Cut(*part); !status.ok()) return status;
    }
    if (bytes < part->bytes) {
      LogError("{}: has {} bytes and not {}: the others were lost", part->path(), bytes,
               part->bytes);
    } else if (!part->due && same_way_ && part->time_key == time_key_ &&
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
  const std::string& time_key_;
  Disk& disk_;
  std::set<std::string> bases_;  // that go on; one file each
  std::set<std::string> folders_;
};

}  // namespace

Result<ArchiveState> Recover(ArchiveState state, const std::string& made,
                             const std::string& time_key, Disk& disk) {
  Recovery recovery(state, made, time_key, disk);
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
