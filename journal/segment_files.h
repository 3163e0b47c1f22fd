// A journal's folder as recovery finds it: which segments there are, and their bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "journal/format.h"

namespace rivulet {

/// A file's bytes, mapped; gone with the object. Nobody may shorten the file meanwhile.
class MappedFile {
 public:
  static Result<MappedFile> Map(const std::string& path);
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::string_view bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::string_view bytes) : bytes_(bytes) {}
  std::string_view bytes_;
};

struct SegmentFile {
  std::uint64_t number = 0;
  std::string path;
  std::uint64_t bytes = 0;  // of the file
  /// Nothing when it cannot be read, or is not this segment's.
  std::optional<SegmentHeader> header;
  bool blank = false;               // there was no header yet: zeros, or a shorter file
  std::uint64_t data_bytes = 0;     // without a header: up to its last byte that is not zero
  bool data_behind_header = false;  // without a header: some of them lie behind its 64 bytes
};

/// All segments of the folder, lowest number first, their headers read.
Result<std::vector<SegmentFile>> ListSegments(const std::string& folder);

/// Bytes up to the last one that is not zero.
std::uint64_t DataBytes(std::string_view bytes);

}  // namespace rivulet
