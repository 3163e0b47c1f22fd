#include "journal/segment_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace rivulet {

Result<MappedFile> MappedFile::Map(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return IoError("open " + path, errno);
  struct stat file {};
  if (fstat(fd, &file) != 0) {
    const Status status = IoError("fstat " + path, errno);
    close(fd);
    return status;
  }
  const auto size = static_cast<std::size_t>(file.st_size);
  void* bytes = nullptr;
  if (size > 0) bytes = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  close(fd);
  if (size == 0) return MappedFile(std::string_view());
  if (bytes == MAP_FAILED) return IoError("mmap " + path, error);
  madvise(bytes, size, MADV_SEQUENTIAL);
  return MappedFile(std::string_view(static_cast<const char*>(bytes), size));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

std::uint64_t DataBytes(std::string_view bytes) {
  return bytes.find_last_not_of('\0') + 1;  // npos + 1 is none
}

namespace {

Status ReadHeader(SegmentFile* segment) {
  auto mapped = MappedFile::Map(segment->path);
  if (!mapped.ok()) return mapped.status();
  const std::string_view bytes = mapped->bytes();
  segment->bytes = bytes.size();
  segment->header = DecodeSegmentHeader(bytes);
  if (segment->header && segment->header->number != segment->number) segment->header.reset();
  if (segment->header) return Status::Ok();
  segment->blank =
      bytes.size() < kSegmentHeaderBytes || DataBytes(bytes.substr(0, kSegmentHeaderBytes)) == 0;
  segment->data_bytes = DataBytes(bytes);
  segment->data_behind_header = segment->data_bytes > kSegmentHeaderBytes;
  return Status::Ok();
}

}  // namespace

Result<std::vector<SegmentFile>> ListSegments(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(folder.c_str()), &closedir);
  if (!dir) return IoError("open " + folder, errno);
  std::vector<SegmentFile> segments;
  while (const dirent* entry = readdir(dir.get())) {
    const auto number = SegmentNumber(entry->d_name);
    if (!number) continue;
    SegmentFile segment;
    segment.number = *number;
    segment.path = folder + "/" + entry->d_name;
    if (Status status = ReadHeader(&segment); !status.ok()) return status;
    segments.push_back(std::move(segment));
  }
  std::sort(segments.begin(), segments.end(),
            [](const SegmentFile& a, const SegmentFile& b) { return a.number < b.number; });
  return segments;
}

}  // namespace rivulet
