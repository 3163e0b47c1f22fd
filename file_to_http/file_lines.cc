#include "file_to_http/file_lines.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/log.h"

namespace rivulet {

FileLines::FileLines(EventLoop& loop, FileLinesConfig config)
    : loop_(loop),
      config_(std::move(config)),
      files_(config_.paths.size()),
      lines_(config_.max_message_bytes) {}

Status FileLines::Look(bool only_regular, const Begin& begin) {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const std::string& path = config_.paths[i];
    struct stat about {};
    const bool there = path == "-"
                           ? fstat(STDIN_FILENO, &about) == 0
                           : stat(path.c_str(), &about) == 0 && access(path.c_str(), R_OK) == 0;
    if (!there) return IoError(path, errno);
    if (S_ISDIR(about.st_mode)) return IoError(path, EISDIR);
    files_[i].regular = S_ISREG(about.st_mode);
    if (files_[i].regular) files_[i].size_bytes = static_cast<std::uint64_t>(about.st_size);
    if (!only_regular) continue;
    // A named pipe must not be opened twice: whoever writes to it would lose its reader.
    if (!files_[i].regular) {
      return InvalidArgument(path + ": must be a file on disk, which can be read again");
    }
    const auto input = FileInput::Open(loop_, path);
    if (!input.ok()) return input.status();
    const auto offset = begin ? begin(path, (*input)->head()) : Result<std::uint64_t>(0);
    if (!offset.ok()) return offset.status();
    files_[i].begin = *offset;
  }
  place_ = {0, files_[0].begin};
  return {};
}

LineCutter::Found FileLines::Next(std::string_view* line) {
  auto found = lines_.Next(line);
  if (found == LineCutter::Found::kNothing && ending_) {
    ending_ = false;
    found = lines_.End(line);
    CloseFile();
  }
  place_.offset = lines_.offset();
  if (found == LineCutter::Found::kTooLong) {
    LogError("{}: a line of {} bytes, which ends at byte {}, is longer than --max-message-bytes",
             path(place_.file), lines_.too_long_bytes(), lines_.offset());
  }
  if (found != LineCutter::Found::kNothing) found_any_ = true;
  return found;
}

FileLines::Filled FileLines::Fill() {
  if (input_ == nullptr) return OpenNext();
  piece_begin_ = input_->position_bytes();
  const auto piece = input_->Read();
  if (!piece.ok()) {
    Fail(piece.status());
    CloseFile();
    return Filled::kSome;
  }
  switch (piece->state) {
    case FileInput::Piece::State::kWait:
      return Filled::kWait;
    case FileInput::Piece::State::kEnd:
      ending_ = true;
      break;
    case FileInput::Piece::State::kBytes:
      break;
  }
  piece_bytes_ = piece->bytes.size();
  lines_.Give(piece->bytes);
  return Filled::kSome;
}

FileLines::Filled FileLines::OpenNext() {
  if (next_ == files_.size()) {
    if (!config_.loop || !found_any_ || failed_) return Filled::kAllRead;
    next_ = 0;
    found_any_ = false;
    bytes_before_ = 0;
  }
  File& file = files_[next_];
  place_ = {next_++, file.begin};
  empty_lines_ += lines_.empty_lines();
  lines_ = LineCutter(config_.max_message_bytes, file.begin);
  file.end = file.begin;
  auto input = FileInput::Open(loop_, path(place_.file));
  Status status = input.status();
  if (status.ok()) status = (*input)->Skip(file.begin);
  if (status.ok()) {
    input_ = std::move(input).value();
  } else {
    Fail(status);
  }
  return Filled::kSome;
}

void FileLines::CloseFile() {
  files_[place_.file].end = lines_.offset();
  bytes_before_ += input_->position_bytes();
  piece_bytes_ = 0;
  piece_begin_ = 0;
  input_.reset();
}

void FileLines::Fail(const Status& status) {
  LogError("{}", status.message());
  failed_ = true;
}

std::uint64_t FileLines::bytes_read() const {
  if (input_ == nullptr) return bytes_before_;
  const std::uint64_t position = input_->position_bytes();
  if (piece_bytes_ == 0) return bytes_before_ + position;
  // A compressed piece is taken to be as dense everywhere.
  const double uncut = static_cast<double>(lines_.rest_bytes()) / static_cast<double>(piece_bytes_);
  const double of_piece = static_cast<double>(position - piece_begin_) * uncut;
  return bytes_before_ + position - static_cast<std::uint64_t>(of_piece);
}

std::optional<std::uint64_t> FileLines::bytes_in_all() const {
  std::uint64_t bytes = 0;
  for (const auto& file : files_) {
    if (!file.regular) return std::nullopt;
    bytes += file.size_bytes;
  }
  return bytes;
}

}  // namespace rivulet
