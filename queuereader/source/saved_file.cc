#include "queuereader/source/saved_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "algorithms/siphash.h"
#include "base/log.h"
#include "bridge/file_input.h"

namespace rivulet {

namespace {

std::uint64_t HeadHash(std::string_view head) { return SipHash<2, 4>(head, 0, 0); }

}  // namespace

void SavedFile::Describe(const FileInput& input) {
  regular = input.regular();
  size_bytes = input.size_bytes();
  head_bytes = input.head().size();
  head_hash = HeadHash(input.head());
}

Result<SavedFile> LookAtFile(std::uint64_t index, const std::string& path) {
  struct stat about {};
  const bool there = path == "-"
                         ? fstat(STDIN_FILENO, &about) == 0
                         : stat(path.c_str(), &about) == 0 && access(path.c_str(), R_OK) == 0;
  if (!there) return IoError(FileInputName(path), errno);
  if (S_ISDIR(about.st_mode)) return IoError(FileInputName(path), EISDIR);
  SavedFile file;
  file.index = index;
  file.path = path;
  file.regular = S_ISREG(about.st_mode);
  file.size_bytes = static_cast<std::uint64_t>(about.st_size);
  return file;
}

void PutSavedFile(std::string* bytes, const SavedFile& file) {
  PutUint64(bytes, file.index);
  PutUint64(bytes, file.path.size());
  *bytes += file.path;
  PutUint64(bytes, file.regular ? 1 : 0);
  PutUint64(bytes, file.size_bytes);
  PutUint64(bytes, file.head_bytes);
  PutUint64(bytes, file.head_hash);
  PutUint64(bytes, file.offset);
}

SavedFile TakeSavedFile(ByteReader* bytes) {
  SavedFile file;
  file.index = bytes->Uint64();
  file.path = bytes->Bytes(bytes->Uint64());
  file.regular = bytes->Uint64() != 0;
  file.size_bytes = bytes->Uint64();
  file.head_bytes = bytes->Uint64();
  file.head_hash = bytes->Uint64();
  file.offset = bytes->Uint64();
  return file;
}

Result<bool> IsAmong(const std::vector<std::string>& paths, const SavedFile& file) {
  if (file.index < paths.size() && paths[file.index] == file.path) return true;
  const auto named = std::find(paths.begin(), paths.end(), file.path);
  if (named != paths.end()) {
    return InvalidArgument(fmt::format(
        "{} was file {} of those that were read, and is file {} now; give the same in the same "
        "order (more may follow), or remove the checkpoint to begin anew",
        file.path, file.index + 1, named - paths.begin() + 1));
  }
  LogWarning(
      "{} was read up to byte {}, and is not among the files now: they are read from their "
      "beginning",
      FileInputName(file.path), file.offset);
  return false;
}

Result<std::uint64_t> WhereToGoOn(EventLoop& loop, const SavedFile& file) {
  if (!file.regular || file.offset == 0) return std::uint64_t{0};
  auto input = FileInput::Open(loop, file.path);
  if (!input.ok()) return input.status();
  if (!(*input)->regular()) return std::uint64_t{0};
  const std::string_view head = (*input)->head();
  const bool plain = DetectCompression(head) == CompressionFormat::kNone;
  // Of a compressed file the offset counts other bytes: there the size alone can tell.
  const std::uint64_t least = plain ? file.offset : file.size_bytes;
  const bool shorter = (*input)->size_bytes() < least;
  const bool another = HeadHash(head.substr(0, file.head_bytes)) != file.head_hash;
  // Shorter than the beginning that is known, it cannot be told whether it is the same.
  if (another && !(shorter && head.size() < file.head_bytes)) {
    LogWarning(
        "{} is another file than the one that was read up to byte {}: read from its beginning",
        file.path, file.offset);
    return std::uint64_t{0};
  }
  if (!shorter) return file.offset;
  return Status(
      StatusCode::kCorrupt,
      fmt::format("{} has {} bytes, had {}, and was read up to byte {}: bring it back, or "
                  "remove the checkpoint to begin anew",
                  file.path, (*input)->size_bytes(), file.size_bytes, file.offset));
}

Status MustBeThere(EventLoop& loop, const std::vector<std::string>& paths, const SavedFile& file) {
  const auto there = IsAmong(paths, file);
  if (!there.ok()) return there.status();
  const auto offset = *there ? WhereToGoOn(loop, file) : Result<std::uint64_t>(std::uint64_t{0});
  if (!offset.ok()) return offset.status();
  if (*offset == file.offset) return {};
  return {StatusCode::kCorrupt,
          fmt::format("{} is another file, and some lines of the one before are still to be run: "
                      "bring it back, or remove the checkpoint to begin anew",
                      file.path)};
}

}  // namespace rivulet
