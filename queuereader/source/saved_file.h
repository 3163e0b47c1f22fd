// Up to where a file was read, so that it can be told apart from another of its name, and be read
// on there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "algorithms/bytes.h"
#include "base/event_loop.h"
#include "base/status.h"

namespace rivulet {

class FileInput;

struct SavedFile {
  std::uint64_t index = 0;  // among the files to read
  std::string path;
  bool regular = false;          // a file on disk; of others there is no place to go on from
  std::uint64_t size_bytes = 0;  // when it was opened
  std::uint64_t head_bytes = 0;  // of its beginning, at most 1 KiB
  std::uint64_t head_hash = 0;
  std::uint64_t offset = 0;  // behind the last line that is done with, uncompressed

  /// What `input` is, at the moment.
  void Describe(const FileInput& input);
};

/// What is there under that name, which is the one at `index` of those to read. kIoError: it cannot
/// be read.
Result<SavedFile> LookAtFile(std::uint64_t index, const std::string& path);

void PutSavedFile(std::string* bytes, const SavedFile& file);
/// bytes->ok() says whether that was one.
SavedFile TakeSavedFile(ByteReader* bytes);

/// Whether the file is one of `paths`, at its index. False, which is logged: it is none of them;
/// kInvalidArgument: it has another index.
Result<bool> IsAmong(const std::vector<std::string>& paths, const SavedFile& file);

/// Where to go on in the file of that name: at the offset, or at zero where it is another file,
/// which is logged. kCorrupt: it has become shorter. kIoError: it cannot be opened.
Result<std::uint64_t> WhereToGoOn(EventLoop& loop, const SavedFile& file);

/// Of a file with lines that are still to be run: an error where it cannot be gone on with.
Status MustBeThere(EventLoop& loop, const std::vector<std::string>& paths, const SavedFile& file);

}  // namespace rivulet
