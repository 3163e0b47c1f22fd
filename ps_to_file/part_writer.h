// Writes batches to part files, and keeps the state that a restart goes on from.
//
// The order that makes it whole (ps_to_file/archive_state.h):
//   - a part file is named in the state before it is made;
//   - what a checkpoint's state tells of was written, and synced, before;
//   - a file is renamed after a state that covers all of it says that it is due, and is in no later
//   state.
// Until the next checkpoint the state names the lengths and positions of the last one.
//
// What fails is logged once and tried again, in the end every second, until GiveUp(): the part file
// is cut to the last good length and written again from memory. A failed sync alone is final, as
// what the system still holds is not known then: every later batch fails, and a restart goes on
// from the last checkpoint.
//
// Thread: one, which may block for long; GiveUp() and progress() are for any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "journal/disk.h"
#include "ps_to_file/archive_state.h"
#include "ps_to_file/compressor.h"
#include "ps_to_file/write_batch.h"

namespace rivulet {

enum class FileSync : std::uint8_t {
  kNone,        // the system writes when it likes: kill -9 loses nothing, a power cut may
  kCheckpoint,  // before the state names what was written
  kAlways,      // after every write
};

struct PartWriterConfig {
  std::string state_path;
  Compression compression = Compression::kNone;
  int compress_level = 0;
  std::size_t max_open_files = 100;  // the least recently written one is closed
  FileSync sync = FileSync::kCheckpoint;
  std::vector<std::string> urls;                   // whose positions batches hold
  Duration retry_every = std::chrono::seconds(1);  // at first sooner
};

class PartWriter {
 public:
  /// `state`: as Recover() gave it, without its parts, which Adopt() brings.
  PartWriter(PartWriterConfig config, ArchiveState state, Disk& disk = Disk::System());

  /// A file of an earlier run that goes on. Before any batch.
  void Adopt(std::uint64_t part, PartRecord record);

  /// All of it. Blocks. After a failure every other fails too, so that nothing is left out.
  Status Write(WriteBatch* batch);

  /// What fails from now on is not tried again.
  void GiveUp();

  struct Progress {
    std::uint64_t written = 0;  // messages
    std::uint64_t file_bytes = 0;
    std::uint64_t completed = 0;  // files
    std::uint64_t checkpoints = 0;
    std::size_t open_files = 0;  // descriptors
    std::string trouble;         // what fails now; empty when nothing does
  };
  Progress progress() const;

 private:
  struct File {
    PartRecord record;         // as of the last checkpoint
    std::uint64_t length = 0;  // all before is good
    bool complete = false;
    bool dirty = false;  // not synced
    std::unique_ptr<DiskFile> disk;
    std::list<File*>::iterator opened;  // in opened_; while disk is there
  };

  Status Persist(const std::function<Status()>& act);
  Status Break(const Status& why);
  Status WriteState();

  Status DoWrite(WriteBatch* batch);
  Status Begin(const WriteBatch& batch);
  Status PickName(PartRecord* record);
  Result<bool> IsFree(const std::string& name) const;
  Status Make(File* file);

  Status WriteChunk(WriteBatch::Chunk* chunk);
  Status Open(File* file);
  Status OpenAgain(File* file);
  void Keep(File* file, std::unique_ptr<DiskFile> disk);
  void Close(File* file);

  Status Checkpoint(const WriteBatch& batch);
  void SetPositions(const WriteBatch& batch);
  Status SyncAll();
  Status SyncFolders();
  Status Rename(File* file);

  const PartWriterConfig config_;
  Disk& disk_;
  Compressor compressor_;
  ArchiveState state_;
  Status broken_;
  std::map<std::uint64_t, std::unique_ptr<File>> files_;  // by part
  std::unordered_set<std::string> names_;                 // of files_
  std::list<File*> opened_;                               // the most recently written first
  std::set<std::string> folders_;  // something in them was made or renamed, and not synced
  std::string numbers_key_;        // the time key of next_number_
  std::unordered_map<std::string, std::uint64_t> next_number_;  // by base

  mutable std::mutex mutex_;
  std::condition_variable gave_up_changed_;
  bool gave_up_ = false;  // guarded by mutex_
  Progress progress_;     // guarded by mutex_
};

}  // namespace rivulet
