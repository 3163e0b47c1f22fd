// The lines of a file or of standard input, a batch at a time.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace rivulet::clicks {

class LineReader {
 public:
  /// "-" is standard input.
  static Result<LineReader> Open(const std::string& path) {
    if (path == "-") return LineReader(path, File(stdin, Close{false}), 0);
    File file(std::fopen(path.c_str(), "rb"), Close{true});
    if (!file) return IoError("input " + path, errno);
    struct stat about {};
    if (fstat(fileno(file.get()), &about) != 0) return IoError("input " + path, errno);
    if (S_ISDIR(about.st_mode)) return IoError("input " + path, EISDIR);
    const auto size = S_ISREG(about.st_mode) ? static_cast<std::uint64_t>(about.st_size) : 0;
    return LineReader(path, std::move(file), size);
  }

  /// Fills `batch` with up to `limit` lines, each with its newline; empty lines are skipped.
  /// Returns how many; 0 at the end of input.
  Result<std::uint64_t> Read(std::uint64_t limit, std::string* batch) {
    batch->clear();
    std::uint64_t count = 0;
    while (count < limit) {
      const auto length = getline(&line_.data, &line_.capacity, file_.get());
      if (length < 0) break;
      bytes_read_ += static_cast<std::uint64_t>(length);
      std::string_view line(line_.data, static_cast<std::size_t>(length));
      if (line.ends_with('\n')) line.remove_suffix(1);
      if (line.empty()) continue;
      batch->append(line).push_back('\n');
      ++count;
    }
    if (std::ferror(file_.get()) != 0) return IoError("input " + path_, errno);
    return count;
  }

  /// Starts over. Only for what can seek.
  Status Rewind() {
    if (std::fseek(file_.get(), 0, SEEK_SET) != 0) return IoError("input " + path_, errno);
    bytes_read_ = 0;
    return Status::Ok();
  }

  /// The part that was read, 0 to 1; negative where the size is not known.
  double Fraction() const {
    return size_bytes_ == 0 ? -1
                            : static_cast<double>(bytes_read_) / static_cast<double>(size_bytes_);
  }

 private:
  struct Close {
    bool owned;
    void operator()(std::FILE* file) const {
      if (owned) std::fclose(file);
    }
  };
  using File = std::unique_ptr<std::FILE, Close>;

  // getline(3)'s buffer.
  struct Buffer {
    char* data = nullptr;
    std::size_t capacity = 0;
    Buffer() = default;
    Buffer(Buffer&& other) noexcept
        : data(std::exchange(other.data, nullptr)), capacity(std::exchange(other.capacity, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
      std::swap(data, other.data);
      std::swap(capacity, other.capacity);
      return *this;
    }
    ~Buffer() { std::free(data); }
  };

  LineReader(std::string path, File file, std::uint64_t size_bytes)
      : path_(std::move(path)), file_(std::move(file)), size_bytes_(size_bytes) {}

  std::string path_;
  File file_;
  Buffer line_;
  std::uint64_t size_bytes_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace rivulet::clicks
