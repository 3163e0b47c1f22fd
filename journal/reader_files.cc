#include "journal/reader_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

namespace rivulet {

ReaderFiles::File::File(int open_fd, std::string open_path)
    : fd(open_fd), path(std::move(open_path)) {}

ReaderFiles::File::~File() { close(fd); }

ReaderFiles::ReaderFiles(std::string path, std::size_t max_open)
    : path_(std::move(path)), max_open_(std::max<std::size_t>(max_open, 1)) {}

Result<ReaderFiles::File*> ReaderFiles::Open(std::uint64_t segment) {
  if (const auto open = files_.find(segment); open != files_.end()) {
    open->second->used = ++uses_;
    return open->second.get();
  }
  const std::string path = PathOf(segment);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return IoError("open " + path, errno);
  auto file = std::make_unique<File>(fd, path);
  std::string bytes(kSegmentHeaderBytes, '\0');
  const auto got = ReadAt(*file, 0, bytes.data(), bytes.size());
  if (!got.ok()) return got.status();
  const auto header = DecodeSegmentHeader(std::string_view(bytes).substr(0, *got));
  if (!header || header->number != segment) {
    return Damage(segment, 0, "the segment's header is bad");
  }
  file->header = *header;
  file->used = ++uses_;
  if (files_.size() >= max_open_) {
    files_.erase(std::min_element(files_.begin(), files_.end(), [](const auto& a, const auto& b) {
      return a.second->used < b.second->used;
    }));
  }
  return files_.emplace(segment, std::move(file)).first->second.get();
}

Result<std::size_t> ReaderFiles::ReadAt(const File& file, std::uint64_t offset, char* to,
                                        std::size_t bytes) {
  std::size_t filled = 0;
  while (filled < bytes) {
    ++reads_;
    const ssize_t got =
        pread(file.fd, to + filled, bytes - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError("read " + file.path, errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

void ReaderFiles::Remember(std::uint64_t segment, std::uint64_t offset, std::size_t apart_bytes) {
  const auto file = files_.find(segment);
  if (file == files_.end()) return;
  std::set<std::uint64_t>& begins = file->second->begins;
  const auto behind = begins.upper_bound(offset);
  if (behind == begins.begin() || offset - *std::prev(behind) >= apart_bytes) {
    begins.insert(behind, offset);
  }
}

std::uint64_t ReaderFiles::BatchBefore(std::uint64_t segment, std::uint64_t offset) const {
  const auto file = files_.find(segment);
  if (file == files_.end()) return kSegmentHeaderBytes;
  const auto behind = file->second->begins.upper_bound(offset);
  return behind == file->second->begins.begin() ? kSegmentHeaderBytes : *std::prev(behind);
}

Status ReaderFiles::Damage(std::uint64_t segment, std::uint64_t offset,
                           std::string_view what) const {
  return {StatusCode::kCorrupt, fmt::format("{}:{}: {}", PathOf(segment), offset, what)};
}

std::string ReaderFiles::PathOf(std::uint64_t segment) const {
  return path_ + "/" + SegmentName(segment);
}

}  // namespace rivulet
