#include "ps_to_file/part_writer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/replace_file.h"
#include "ps_to_file/file_name.h"
#include "ps_to_file/part_files.h"

namespace rivulet {

PartWriter::PartWriter(PartWriterConfig config, ArchiveState state, Disk& disk)
    : config_(std::move(config)),
      disk_(disk),
      compressor_(config_.compression, config_.compress_level),
      state_(std::move(state)) {
  state_.parts.clear();
}

void PartWriter::Adopt(std::uint64_t part, PartRecord record) {
  auto file = std::make_unique<File>();
  file->length = record.bytes;
  numbers_key_ = record.time_key;
  next_number_[record.base] = record.number + 1;
  names_.insert(record.name);
  file->record = std::move(record);
  files_[part] = std::move(file);
}

void PartWriter::GiveUp() {
  {
    const std::lock_guard lock(mutex_);
    gave_up_ = true;
  }
  gave_up_changed_.notify_all();
}

PartWriter::Progress PartWriter::progress() const {
  const std::lock_guard lock(mutex_);
  return progress_;
}

Status PartWriter::Persist(const std::function<Status()>& act) {
  std::string told;
  for (Duration delay = config_.retry_every / 16;;
       delay = std::min(2 * delay, config_.retry_every)) {
    Status status = act();
    if (status.ok() && told.empty()) return status;
    if (status.ok()) {
      LogInfo("writing goes on");
    } else if (status.message() != told) {
      LogError("{}; tried again until it works", status.message());
      told = status.message();
    }
    std::unique_lock lock(mutex_);
    progress_.trouble = status.message();
    if (status.ok() || gave_up_) return status;
    gave_up_changed_.wait_for(lock, delay, [this] { return gave_up_; });
  }
}

Status PartWriter::Break(const Status& why) {
  broken_ = {why.code(), why.message() + "; a restart goes on from the last checkpoint"};
  const std::lock_guard lock(mutex_);
  progress_.trouble = broken_.message();
  return broken_;
}

Status PartWriter::WriteState() {
  state_.parts.clear();
  for (const auto& [id, file] : files_) state_.parts.push_back(file->record);
  return ReplaceFile(config_.state_path, FormatArchiveState(state_));
}

Status PartWriter::Write(WriteBatch* batch) {
  if (!broken_.ok()) return broken_;
  Status status = DoWrite(batch);
  if (!status.ok() && broken_.ok()) broken_ = status;
  return status;
}

Status PartWriter::DoWrite(WriteBatch* batch) {
  if (Status status = Begin(*batch); !status.ok()) return status;
  for (auto& chunk : batch->chunks) {
    if (Status status = WriteChunk(&chunk); !status.ok()) return status;
  }
  for (const auto part : batch->complete) files_.at(part)->complete = true;
  if (!batch->checkpoint) return Status::Ok();
  return Checkpoint(*batch);
}

// Begin.

Status PartWriter::Begin(const WriteBatch& batch) {
  if (batch.begun.empty()) return Status::Ok();
  if (batch.time_key != numbers_key_) {
    next_number_.clear();
    numbers_key_ = batch.time_key;
  }
  std::vector<File*> begun;
  for (const auto& begin : batch.begun) {
    auto file = std::make_unique<File>();
    file->record.base = begin.base;
    file->record.time_key = batch.time_key;
    const auto pick = [&] { return PickName(&file->record); };
    if (Status status = Persist(pick); !status.ok()) return status;
    begun.push_back(file.get());
    files_[begin.part] = std::move(file);
  }
  if (Status status = Persist([this] { return WriteState(); }); !status.ok()) return status;
  for (File* file : begun) {
    if (Status status = Persist([&] { return Make(file); }); !status.ok()) return status;
  }
  return Status::Ok();
}

Status PartWriter::PickName(PartRecord* record) {
  for (std::uint64_t& number = next_number_[record->base];; ++number) {
    std::string name = NumberedName(record->base, number, CompressionSuffix(config_.compression));
    const auto free = IsFree(name);
    if (!free.ok()) return free.status();
    if (!*free) continue;
    names_.erase(record->name);
    names_.insert(name);
    record->name = std::move(name);
    record->number = number++;
    return Status::Ok();
  }
}

Result<bool> PartWriter::IsFree(const std::string& name) const {
  if (names_.contains(name)) return false;
  for (const auto& path : {name, name + ".part"}) {
    const auto exists = PathExists(path);
    if (!exists.ok()) return exists.status();
    if (*exists) return false;
  }
  return true;
}

Status PartWriter::Make(File* file) {
  const auto note = [this](const std::string& folder) { folders_.insert(folder); };
  if (Status status = MakeFoldersOf(file->record.path(), note); !status.ok()) return status;
  auto made = disk_.Create(file->record.path());
  if (made.ok()) {
    folders_.insert(FolderOfPath(file->record.path()));
    Keep(file, std::move(made).value());
    return Status::Ok();
  }
  const auto exists = PathExists(file->record.path());
  if (!exists.ok() || !*exists) return made.status();
  // Somebody else has made one meanwhile: it is not ours, and must not be in the state.
  if (Status status = PickName(&file->record); !status.ok()) return status;
  if (Status status = WriteState(); !status.ok()) return status;
  return {StatusCode::kExhausted, made.status().message() + "; taking the next number"};
}

// Write.

Status PartWriter::WriteChunk(WriteBatch::Chunk* chunk) {
  File* const file = files_.at(chunk->part).get();
  const auto write = [&]() -> Status {
    const auto bytes = compressor_.Compress(chunk->bytes);
    if (!bytes.ok()) return bytes.status();
    if (Status status = Open(file); !status.ok()) return status;
    Status status = file->disk->WriteAt(file->length, *bytes);
    if (status.ok()) {
      chunk->begin_bytes = file->length;
      file->length += bytes->size();
      chunk->file_bytes = file->length;
      file->dirty = true;
      return status;
    }
    // So that nobody reads half a message, or half a frame, meanwhile. The next try overwrites it
    // in any case.
    [[maybe_unused]] const Status cut = file->disk->Truncate(file->length);
    return status;
  };
  if (Status status = Persist(write); !status.ok()) return status;
  if (config_.sync == FileSync::kAlways) {
    if (Status status = file->disk->Sync(); !status.ok()) return Break(status);
    file->dirty = false;
  }
  const std::lock_guard lock(mutex_);
  progress_.written += chunk->messages;
  progress_.file_bytes += chunk->file_bytes - chunk->begin_bytes;
  return Status::Ok();
}

Status PartWriter::Open(File* file) {
  if (file->disk != nullptr) {
    opened_.splice(opened_.begin(), opened_, file->opened);
    return Status::Ok();
  }
  return OpenAgain(file);
}

Status PartWriter::OpenAgain(File* file) {
  auto opened = disk_.Open(file->record.path());
  if (!opened.ok()) {
    const auto exists = PathExists(file->record.path());
    if (!exists.ok() || *exists) return opened.status();
    LogError("{}: was removed by somebody, with {} bytes; it is begun again", file->record.path(),
             file->length);
    opened = disk_.Create(file->record.path());
    if (!opened.ok()) return opened.status();
    file->length = file->record.bytes = 0;
  }
  Keep(file, std::move(opened).value());
  return Status::Ok();
}

void PartWriter::Keep(File* file, std::unique_ptr<DiskFile> disk) {
  while (opened_.size() >= std::max<std::size_t>(1, config_.max_open_files)) Close(opened_.back());
  file->disk = std::move(disk);
  file->opened = opened_.insert(opened_.begin(), file);
  const std::lock_guard lock(mutex_);
  progress_.open_files = opened_.size();
}

void PartWriter::Close(File* file) {
  if (file->disk == nullptr) return;
  opened_.erase(file->opened);
  file->disk.reset();
  const std::lock_guard lock(mutex_);
  progress_.open_files = opened_.size();
}

// Checkpoint.

Status PartWriter::Checkpoint(const WriteBatch& batch) {
  if (config_.sync != FileSync::kNone) {
    if (Status status = SyncAll(); !status.ok()) return status;
  }
  for (auto& [id, file] : files_) {
    file->record.bytes = file->length;
    file->record.due = file->complete;
  }
  SetPositions(batch);
  if (Status status = Persist([this] { return WriteState(); }); !status.ok()) return status;
  for (auto it = files_.begin(); it != files_.end();) {
    File* const file = it->second.get();
    if (!file->complete) {
      ++it;
      continue;
    }
    if (Status status = Persist([&] { return Rename(file); }); !status.ok()) return status;
    names_.erase(file->record.name);
    it = files_.erase(it);
  }
  if (config_.sync != FileSync::kNone) {
    if (Status status = SyncFolders(); !status.ok()) return status;
  }
  const std::lock_guard lock(mutex_);
  ++progress_.checkpoints;
  return Status::Ok();
}

void PartWriter::SetPositions(const WriteBatch& batch) {
  auto& all = state_.positions;
  for (std::size_t i = 0; i < batch.positions.size(); ++i) {
    if (!batch.positions[i]) continue;
    auto at = std::find_if(all.begin(), all.end(),
                           [&](const auto& entry) { return entry.first == config_.urls[i]; });
    if (at == all.end()) at = all.emplace(all.end(), config_.urls[i], 0);
    at->second = *batch.positions[i];
    if (batch.url == i) std::rotate(all.begin(), at, at + 1);
  }
}

Status PartWriter::SyncAll() {
  for (auto& [id, file] : files_) {
    if (!file->dirty) continue;
    File* const dirty = file.get();
    if (Status status = Persist([&] { return Open(dirty); }); !status.ok()) return status;
    if (Status status = dirty->disk->Sync(); !status.ok()) return Break(status);
    dirty->dirty = false;
  }
  return SyncFolders();
}

Status PartWriter::SyncFolders() {
  for (const auto& folder : folders_) {
    if (Status status = disk_.SyncDirectory(folder); !status.ok()) return Break(status);
  }
  folders_.clear();
  return Status::Ok();
}

Status PartWriter::Rename(File* file) {
  Close(file);
  PartRecord target = file->record;
  while (true) {
    const auto renamed = RenameToFree(file->record.path(), target.name);
    if (!renamed.ok()) return renamed.status();
    if (*renamed == RenameOutcome::kTaken) {
      if (Status status = PickName(&target); !status.ok()) return status;
      continue;
    }
    names_.erase(target.name);
    if (*renamed == RenameOutcome::kAbsent) {
      LogError("{}: was removed by somebody before it was complete", file->record.path());
      return Status::Ok();
    }
    folders_.insert(FolderOfPath(target.name));
    const std::lock_guard lock(mutex_);
    ++progress_.completed;
    return Status::Ok();
  }
}

}  // namespace rivulet
