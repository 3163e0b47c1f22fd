// Undoes gzip and zstd, whichever the bytes themselves say, a piece at a time.
//
// What begins with neither magic number is plain, and comes out as it went in. Members of gzip (RFC
// 1952) and frames of zstd (RFC 8878) may follow one another; so may zero bytes a gzip member, as
// tapes pad. Checksums are verified. Memory is bounded whatever the data says: some 40 KiB for
// gzip; for zstd its window, at most 128 MiB (more is refused), which few files ask for.
//
// Thread: one. Needs zlib and libzstd alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

enum class CompressionFormat : std::uint8_t { kNone, kGzip, kZstd };

/// What bytes with that beginning (4 bytes, or all there are) are taken for.
CompressionFormat DetectCompression(std::string_view head);

class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  /// Takes bytes from the front of `input` and writes up to `capacity` (at least 4) to `output`;
  /// returns how many it wrote. To be called again while `input` holds something or an answer
  /// filled `output` (more may be ready within). kCorrupt: "gzip data is damaged at byte N: WHY", N
  /// of the compressed bytes; what came out before was right. Nothing is to be read after that.
  Result<std::size_t> Read(std::string_view* input, char* output, std::size_t capacity);
  /// The input is at its end: writes what is left, as Read() with no input; 0 when that was all.
  /// kCorrupt when data ended in the middle: "gzip data ends too early, at byte N".
  Result<std::size_t> Finish(char* output, std::size_t capacity);

  /// What comes is plain, whatever it looks like: the middle of a plain file. Before any Read().
  void TakeAsPlain() { detected_ = true; }

  /// kNone until enough was read to tell, 4 bytes at most.
  CompressionFormat compression() const { return compression_; }
  /// Compressed bytes that were taken.
  std::uint64_t input_bytes() const { return input_bytes_; }

 private:
  struct Streams;

  Result<std::size_t> Inflate(std::string_view* input, char* output, std::size_t capacity);
  Result<std::size_t> Unzstd(std::string_view* input, char* output, std::size_t capacity);
  Result<std::size_t> Decode(std::string_view* input, char* output, std::size_t capacity);
  void Detect(std::string_view* input);
  /// What was written before the damage goes out first; the next call tells.
  Result<std::size_t> Damaged(std::string_view why, std::size_t written = 0);

  std::string head_;  // until it is known what this is; then what of it is still to be decoded
  bool detected_ = false;
  CompressionFormat compression_ = CompressionFormat::kNone;
  std::unique_ptr<Streams> streams_;
  std::uint64_t input_bytes_ = 0;
  bool in_member_ = false;  // a gzip member or a zstd frame has begun and not ended
  bool in_padding_ = false;
  Status damaged_;
};

}  // namespace rivulet
