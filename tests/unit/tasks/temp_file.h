// A file for the tests of tasks.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace rivulet::test {

/// Gone with this.
class TempFile {
 public:
  explicit TempFile(std::string_view text) {
    char path[] = "/tmp/rivulet_task_XXXXXX";
    close(mkstemp(path));
    path_ = path;
    Write(text);
  }
  ~TempFile() { Remove(); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  void Write(std::string_view text) const {
    std::ofstream(path_, std::ios::binary) << text;
    // Changed in the same tick of the clock it would look like the old one.
    std::error_code error;
    const auto time = std::filesystem::last_write_time(path_, error);
    std::filesystem::last_write_time(path_, time + std::chrono::seconds(++writes_), error);
  }
  void Remove() const {
    std::error_code error;
    std::filesystem::remove(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  mutable int writes_ = 0;
};

}  // namespace rivulet::test
