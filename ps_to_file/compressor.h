// Makes bytes smaller: gzip members and zstd frames, each of which can be read by itself. Files of
// several are what gzip(1) and zstd(1) read as one.
//
// Nothing is kept from one call to the next but the library's memory, so that one compressor serves
// many files, and a file is whole after every call.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

enum class Compression : std::uint8_t { kNone, kGzip, kZstd };

/// ".gz", ".zst" or empty.
std::string_view CompressionSuffix(Compression kind);

class Compressor {
 public:
  /// The level that the programs have as theirs: 6 and 3.
  static int DefaultLevel(Compression kind) { return kind == Compression::kGzip ? 6 : 3; }
  /// The highest level; the lowest is 1.
  static int MaxLevel(Compression kind) { return kind == Compression::kGzip ? 9 : 19; }

  Compressor(Compression kind, int level);
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  /// The bytes as one member or frame, valid until the next call; kNone gives them as they are.
  /// kExhausted when there is no memory.
  Result<std::string_view> Compress(std::string_view bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
