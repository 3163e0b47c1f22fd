#include "journal/salvage.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

namespace rivulet {

namespace {

constexpr std::uint64_t kVoidBatchBytes = 16 << 20;

struct OpenedFile {
  std::unique_ptr<DiskFile> file;
  std::uint64_t bytes = 0;
};

Result<OpenedFile> OpenOrCreate(Disk& disk, const std::string& path) {
  struct stat found {};
  const bool there = stat(path.c_str(), &found) == 0;
  auto file = there ? disk.Open(path) : disk.Create(path);
  if (!file.ok()) return file.status();
  return OpenedFile{std::move(*file), there ? static_cast<std::uint64_t>(found.st_size) : 0};
}

Status WriteVoid(DiskFile& file, const SegmentHeader& header, std::uint64_t from,
                 std::uint64_t to) {
  std::string batch;
  while (from < to) {
    std::uint64_t bytes = std::min(to - from, kVoidBatchBytes);
    // What is left over must have room for a header.
    if (to - from - bytes < kBatchHeaderBytes && from + bytes != to) bytes -= kBatchHeaderBytes;
    batch.assign(bytes, '\0');
    const std::uint64_t position = header.start + from - kSegmentHeaderBytes;
    SealBatch(batch.data(), batch.size(), header.salt, position, position, true);
    if (Status status = file.WriteAt(from, batch); !status.ok()) return status;
    from += bytes;
  }
  return Status::Ok();
}

}  // namespace

Status SetAside(Disk& disk, const std::string& path, std::uint64_t offset, std::string_view bytes) {
  auto bad = OpenOrCreate(disk, path + ".bad");
  if (!bad.ok()) return bad.status();
  const std::string title = fmt::format("rivulet-journal: {} bytes of {}:{}\n", bytes.size(),
                                        path.substr(path.rfind('/') + 1), offset);
  if (Status s = bad->file->WriteAt(bad->bytes, title); !s.ok()) return s;
  if (Status s = bad->file->WriteAt(bad->bytes + title.size(), bytes); !s.ok()) return s;
  return bad->file->Sync();
}

Status OverwriteByVoid(Disk& disk, const std::string& path, const SegmentHeader& header,
                       std::uint64_t from, std::uint64_t to) {
  auto file = disk.Open(path);
  if (!file.ok()) return file.status();
  if (Status status = WriteVoid(**file, header, from, to); !status.ok()) return status;
  return (*file)->Sync();
}

Status WriteVoidSegment(Disk& disk, const std::string& path, const SegmentHeader& header,
                        std::uint64_t log_bytes) {
  auto opened = OpenOrCreate(disk, path);
  if (!opened.ok()) return opened.status();
  DiskFile& file = *opened->file;
  if (Status s = file.Truncate(0); !s.ok()) return s;
  if (Status s = file.WriteAt(0, EncodeSegmentHeader(header)); !s.ok()) return s;
  const std::uint64_t end = kSegmentHeaderBytes + log_bytes;
  if (Status s = WriteVoid(file, header, kSegmentHeaderBytes, end); !s.ok()) return s;
  return file.Sync();
}

}  // namespace rivulet
