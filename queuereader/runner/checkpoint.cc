#include "queuereader/runner/checkpoint.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cassert>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "base/replace_file.h"

namespace rivulet {

namespace {

constexpr std::string_view kProgram = "rivulet checkpoint ";
constexpr std::string_view kFirstLine = "rivulet checkpoint 1\n";
constexpr std::string_view kEnd = "end ";
constexpr std::size_t kLastLineBytes = 4 + 8 + 1;

std::string LastLine(std::string_view before) {
  const auto sum = crc32_z(0, reinterpret_cast<const unsigned char*>(before.data()), before.size());
  return fmt::format("{}{:08x}\n", kEnd, sum);
}

Status Damaged(std::size_t at, std::string_view what) {
  return {StatusCode::kCorrupt, fmt::format("damaged at byte {}: {}", at, what)};
}

// Names it when another version wrote it.
Status CheckFirstLine(std::string_view bytes) {
  if (bytes.starts_with(kFirstLine)) return Status::Ok();
  const std::string_view line = bytes.substr(0, bytes.find('\n'));
  if (!line.starts_with(kProgram) || line.size() > kProgram.size() + 10 ||
      line.size() == bytes.size()) {
    return Damaged(0, "must begin with the line \"rivulet checkpoint 1\"");
  }
  return {StatusCode::kCorrupt, fmt::format("of format {}, which this version does not know: it "
                                            "knows format 1; run the version that wrote it",
                                            line.substr(kProgram.size()))};
}

// As it is written: no sign, no zero before.
std::optional<std::size_t> ParseSize(std::string_view text) {
  std::size_t size = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return size;
}

// A queue's name may hold what leads out of a folder.
std::string FileNameOf(std::string_view name) {
  std::string file;
  for (const char c : name) {
    if (c == '/' || c == '%' || c == '\0') {
      file += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      file += c;
    }
  }
  return file + ".checkpoint";
}

Status MakeFolders(const std::string& directory, const std::string& what) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  return error ? IoError(what + ": make the folder", error.value()) : Status::Ok();
}

// Nothing when there is no file.
Result<std::optional<std::string>> ReadWhole(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return IoError(path, errno);
  }
  if (!S_ISREG(info.st_mode)) return InvalidArgument(path + ": must be a file");
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  if (!file.read(content.data(), info.st_size)) {
    return IoError("read " + path, errno != 0 ? errno : EIO);
  }
  return std::optional<std::string>(std::move(content));
}

}  // namespace

std::string EncodeCheckpoint(const CheckpointSections& sections) {
  std::size_t size = kFirstLine.size() + kLastLineBytes;
  for (const auto& [name, content] : sections) size += name.size() + content.size() + 24;
  std::string bytes;
  bytes.reserve(size);
  bytes += kFirstLine;
  for (const auto& [name, content] : sections) {
    assert(!name.empty() && name != "end" && name.find('\n') == std::string::npos);
    fmt::format_to(std::back_inserter(bytes), "{} {}\n", name, content.size());
    bytes += content;
  }
  return bytes += LastLine(bytes);
}

Result<CheckpointSections> DecodeCheckpoint(std::string_view bytes) {
  if (Status status = CheckFirstLine(bytes); !status.ok()) return status;
  const std::size_t end = bytes.size() - std::min(bytes.size(), kLastLineBytes);
  if (end < kFirstLine.size() || !bytes.substr(end).starts_with(kEnd)) {
    return Damaged(bytes.size(), "cut off: must end with the line \"end CHECKSUM\"");
  }
  if (bytes.substr(end) != LastLine(bytes.substr(0, end))) {
    return Damaged(end, "the checksum is not that of what stands before");
  }
  CheckpointSections sections;
  std::size_t at = kFirstLine.size();
  while (at < end) {
    const std::size_t line_end = bytes.find('\n', at);
    const std::string_view line = bytes.substr(at, line_end - at);
    const std::size_t space = line.rfind(' ');
    const auto size =
        space == std::string_view::npos ? std::nullopt : ParseSize(line.substr(space + 1));
    if (!size || space == 0 || line_end >= end) return Damaged(at, "must be a line \"NAME BYTES\"");
    if (*size > end - line_end - 1) return Damaged(at, "the section is longer than the file");
    const std::string_view name = line.substr(0, space);
    if (!sections.empty() && name <= sections.rbegin()->first) {
      return Damaged(at, "the sections must be in the order of their names");
    }
    sections.emplace_hint(sections.end(), name, bytes.substr(line_end + 1, *size));
    at = line_end + 1 + *size;
  }
  return sections;
}

struct CheckpointFile::Impl {
  Impl(EventLoop& loop, const Clock& clock) : helper(loop, clock) {}

  FileLock lock;
  std::string path;
  CheckpointSections found;
  bool writing = false;
  std::uint64_t written = 0;
  std::uint64_t last_bytes = 0;
  Duration last_duration{};
  Helper helper;  // gone first: it waits for what is being written
};

CheckpointFile::CheckpointFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CheckpointFile::~CheckpointFile() = default;

Result<std::unique_ptr<CheckpointFile>> CheckpointFile::Open(EventLoop& loop, const Clock& clock,
                                                             const std::string& directory,
                                                             const std::string& name) {
  const std::string what = "--checkpoint-dir=" + directory;
  if (Status status = MakeFolders(directory, what); !status.ok()) return status;
  auto impl = std::make_unique<Impl>(loop, clock);
  impl->path = directory + (directory.ends_with('/') ? "" : "/") + FileNameOf(name);
  auto lock = FileLock::Acquire(impl->path + ".lock", impl->path);
  if (!lock.ok()) {
    if (lock.status().code() != StatusCode::kInvalidArgument) return lock.status();
    return InvalidArgument(
        lock.status().message() +
        "; each reader needs a --checkpoint-name or --checkpoint-dir of its own");
  }
  impl->lock = std::move(lock).value();
  auto content = ReadWhole(impl->path);
  if (!content.ok()) return content.status();
  if (*content) {
    auto found = DecodeCheckpoint(**content);
    if (!found.ok()) {
      return Status(found.status().code(),
                    fmt::format("{}: {}; bring back a copy, or move it away to begin anew, where "
                                "messages that it counted already may be counted again",
                                impl->path, found.status().message()));
    }
    impl->found = std::move(found).value();
  }
  return std::unique_ptr<CheckpointFile>(new CheckpointFile(std::move(impl)));
}

const CheckpointSections& CheckpointFile::found() const { return impl_->found; }
const std::string& CheckpointFile::path() const { return impl_->path; }

void CheckpointFile::Write(CheckpointSections sections,
                           std::function<void(const Status& status)> done) {
  assert(!impl_->writing);
  impl_->writing = true;
  struct Job {
    CheckpointSections sections;
    std::size_t bytes = 0;
  };
  auto job = std::make_shared<Job>();
  job->sections = std::move(sections);
  impl_->helper.Do(
      [job, path = impl_->path] {
        const std::string bytes = EncodeCheckpoint(job->sections);
        job->bytes = bytes.size();
        return ReplaceFile(path, bytes);
      },
      [this, job, done = std::move(done)](const Status& status, Duration took) {
        impl_->writing = false;
        if (status.ok()) {
          ++impl_->written;
          impl_->last_bytes = job->bytes;
          impl_->last_duration = took;
        }
        done(status);
      });
}

bool CheckpointFile::writing() const { return impl_->writing; }
std::uint64_t CheckpointFile::written() const { return impl_->written; }
std::uint64_t CheckpointFile::last_bytes() const { return impl_->last_bytes; }
Duration CheckpointFile::last_duration() const { return impl_->last_duration; }

}  // namespace rivulet
