// A key as a table holds it: in place where it is short, so that comparing it costs no further
// cache miss.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

namespace rivulet {

/// 28 bytes; keys that are longer than kInPlace are allocated. At most 4 GiB.
class KeyText {
 public:
  static constexpr std::size_t kInPlace = 24;

  KeyText() = default;
  ~KeyText() { Clear(); }
  KeyText(const KeyText&) = delete;
  KeyText& operator=(const KeyText&) = delete;

  /// Valid until it is changed.
  std::string_view view() const { return {size_ <= kInPlace ? bytes_ : Allocated(), size_}; }
  /// Of one that is empty.
  void Set(std::string_view key) {
    char* to = bytes_;
    if (key.size() > kInPlace) {
      to = static_cast<char*>(std::malloc(key.size()));
      if (to == nullptr) throw std::bad_alloc();
      std::memcpy(bytes_, &to, sizeof to);
    }
    if (!key.empty()) std::memcpy(to, key.data(), key.size());
    size_ = static_cast<std::uint32_t>(key.size());
  }
  void Clear() {
    if (size_ > kInPlace) std::free(Allocated());
    size_ = 0;
  }

 private:
  char* Allocated() const {
    char* at = nullptr;
    std::memcpy(&at, bytes_, sizeof at);
    return at;
  }

  char bytes_[kInPlace];  // in its first 8, where it is longer: where it is
  std::uint32_t size_ = 0;
};

}  // namespace rivulet
