// Numbers as bytes, for Save and Load: little-endian, the same on every machine.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace rivulet {

inline void PutUint64(std::string* out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) {
    out->push_back(static_cast<char>(static_cast<unsigned char>(value >> shift)));
  }
}

/// Every bit of it, so that a round trip is exact.
inline void PutDouble(std::string* out, double value) {
  PutUint64(out, std::bit_cast<std::uint64_t>(value));
}

/// Reads what the Put functions wrote. After a read beyond the end ok() is false for good, and
/// reads give zero.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t Uint64() {
    const std::string_view bytes = Bytes(8);
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i > 0; --i) {
      value = value << 8 | static_cast<unsigned char>(bytes[i - 1]);
    }
    return value;
  }
  double Double() { return std::bit_cast<double>(Uint64()); }
  std::string_view Bytes(std::uint64_t count) {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(bytes.size());
    return bytes;
  }
  bool ok() const { return ok_; }
  /// True when all was read and nothing is left.
  bool Finished() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace rivulet
