#include "journal/segment_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace rivulet {

Result<std::string> ReadFileBytes(const std::string& path, std::size_t max_bytes) {
  // A pipe of that name must not be waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return IoError("open " + path, errno);
  std::string bytes;
  struct stat file {};
  ssize_t got = fstat(fd, &file);
  if (got == 0 && !S_ISREG(file.st_mode)) {
    close(fd);
    return Status(StatusCode::kIoError, "open " + path + ": must be a regular file");
  }
  if (got == 0) bytes.resize(std::min(static_cast<std::size_t>(file.st_size), max_bytes));
  std::size_t filled = 0;
  while (got >= 0 && filled < bytes.size()) {
    got = read(fd, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR)
      got = 0;
    else if (got == 0)
      bytes.resize(filled);
    else if (got > 0)
      filled += static_cast<std::size_t>(got);
  }
  const int error = errno;
  close(fd);
  if (got < 0) return IoError("read " + path, error);
  return bytes;
}

std::uint64_t DataBytes(std::string_view bytes) {
  return bytes.find_last_not_of('\0') + 1;  // npos + 1 is none
}

namespace {

Status ReadHeader(SegmentFile* segment) {
  struct stat file {};
  if (stat(segment->path.c_str(), &file) != 0) return IoError("stat " + segment->path, errno);
  segment->bytes = static_cast<std::uint64_t>(file.st_size);
  const auto head = ReadFileBytes(segment->path, kSegmentHeaderBytes);
  if (!head.ok()) return head.status();
  segment->header = DecodeSegmentHeader(*head);
  if (segment->header && segment->header->number != segment->number) segment->header.reset();
  if (segment->header) return Status::Ok();
  const auto whole = ReadFileBytes(segment->path);
  if (!whole.ok()) return whole.status();
  const std::string_view bytes = *whole;
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
    if (Status status = ReadHeader(&segment); !status.ok()) {
      if (access(segment.path.c_str(), F_OK) != 0) continue;
      return status;
    }
    segments.push_back(std::move(segment));
  }
  std::sort(segments.begin(), segments.end(),
            [](const SegmentFile& a, const SegmentFile& b) { return a.number < b.number; });
  return segments;
}

}  // namespace rivulet
