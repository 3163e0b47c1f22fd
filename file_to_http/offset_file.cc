#include "file_to_http/offset_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/replace_file.h"

namespace rivulet {

namespace {

constexpr std::string_view kFirstLine = "rivulet file offsets 1\n";
constexpr Duration kWriteEvery = std::chrono::seconds(1);

// Takes a number and the space behind it.
bool TakeNumber(std::string_view* line, int base, std::uint64_t* number) {
  const char* const end = line->data() + line->size();
  const auto [stop, error] = std::from_chars(line->data(), end, *number, base);
  if (error != std::errc() || stop == end || *stop != ' ') return false;
  line->remove_prefix(static_cast<std::size_t>(stop + 1 - line->data()));
  return true;
}

}  // namespace

Result<std::vector<FileOffset>> ParseFileOffsets(std::string_view text) {
  const Status corrupt(StatusCode::kCorrupt,
                       "must hold offsets of files, as it was written here; remove it to begin at "
                       "the beginning");
  if (!text.starts_with(kFirstLine) || !text.ends_with('\n')) return corrupt;
  text.remove_prefix(kFirstLine.size());
  std::vector<FileOffset> offsets;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() + 1);
    FileOffset& file = offsets.emplace_back();
    if (!TakeNumber(&line, 10, &file.offset) || !TakeNumber(&line, 10, &file.head_bytes) ||
        !TakeNumber(&line, 16, &file.head_hash) || line.empty()) {
      return corrupt;
    }
    file.path = line;
  }
  return offsets;
}

std::string FileOffsetsText(const std::vector<FileOffset>& offsets) {
  std::string text(kFirstLine);
  for (const auto& file : offsets) {
    fmt::format_to(std::back_inserter(text), "{} {} {:016x} {}\n", file.offset, file.head_bytes,
                   file.head_hash, file.path);
  }
  return text;
}

std::uint64_t HeadHash(std::string_view head) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : head) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

OffsetFile::OffsetFile(std::string path, EventLoop& loop, const Clock& clock,
                       BeforeWrite before_write)
    : path_(std::move(path)),
      before_write_(std::move(before_write)),
      timer_(loop, [this] { Write(); }),
      helper_(loop, clock) {}

OffsetFile::~OffsetFile() = default;

Result<std::unique_ptr<OffsetFile>> OffsetFile::Open(std::string path, EventLoop& loop,
                                                     const Clock& clock, BeforeWrite before_write) {
  auto lock = FileLock::Acquire(path + ".lock", "--offset-file=" + path);
  if (!lock.ok()) return lock.status();
  auto file = std::make_unique<OffsetFile>(std::move(path), loop, clock, std::move(before_write));
  file->lock_ = std::move(lock).value();
  if (Status status = file->Read(); !status.ok()) return status;
  if (Status status = ReplaceFile(file->path_, FileOffsetsText(file->offsets_)); !status.ok()) {
    return status;
  }
  return file;
}

Status OffsetFile::Read() {
  if (access(path_.c_str(), F_OK) != 0 && errno == ENOENT) return {};
  std::ifstream file(path_, std::ios::binary);
  if (!file) return IoError("open " + path_, errno);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return IoError("read " + path_, EIO);
  if (text.empty()) return {};
  auto offsets = ParseFileOffsets(text);
  if (!offsets.ok()) return {offsets.status().code(), path_ + ": " + offsets.status().message()};
  offsets_ = std::move(offsets).value();
  return {};
}

FileOffset* OffsetFile::Find(const std::string& path) {
  const auto found = std::find_if(offsets_.begin(), offsets_.end(),
                                  [&path](const auto& file) { return file.path == path; });
  return found == offsets_.end() ? nullptr : &*found;
}

Result<std::uint64_t> OffsetFile::Begin(const std::string& path, std::string_view head) {
  FileOffset* file = Find(path);
  if (file == nullptr) {
    file = &offsets_.emplace_back();
    file->path = path;
  } else if (head.size() < file->head_bytes ||
             HeadHash(head.substr(0, file->head_bytes)) != file->head_hash) {
    return Status(StatusCode::kCorrupt,
                  fmt::format("{} is not the file that --offset-file={} tells of: its first {} "
                              "bytes differ; give that file, or remove its line",
                              path, path_, file->head_bytes));
  }
  // A file that has grown meanwhile is known better now.
  file->head_bytes = head.size();
  file->head_hash = HeadHash(head);
  return file->offset;
}

void OffsetFile::Set(const std::string& path, std::uint64_t offset) {
  FileOffset* file = Find(path);
  if (file == nullptr || file->offset == offset) return;
  file->offset = offset;
  changed_ = true;
  if (!timer_.active() && !writing_) timer_.Start(kWriteEvery);
}

void OffsetFile::Write() {
  changed_ = false;
  writing_ = true;
  if (Status status = before_write_ ? before_write_() : Status(); !status.ok()) {
    return OnWritten(status);
  }
  helper_.Do([path = path_, text = FileOffsetsText(offsets_)] { return ReplaceFile(path, text); },
             [this](const Status& status, Duration) { OnWritten(status); });
}

void OffsetFile::OnWritten(const Status& status) {
  writing_ = false;
  if (!status.ok() && last_.ok()) LogError("{}", status.message());
  last_ = status;
  if (!status.ok()) changed_ = true;
  if (changed_) timer_.Start(kWriteEvery);
}

Status OffsetFile::Close() {
  timer_.Cancel();
  helper_.Stop();
  timer_.Cancel();
  if (!changed_) return last_;
  Write();
  timer_.Cancel();
  return last_;
}

}  // namespace rivulet
