#include "base/decompressor.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace rivulet {

namespace {

constexpr std::string_view kGzipMagic = "\x1f\x8b\x08";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";
constexpr std::string_view kSkippableTail = "\x2a\x4d\x18";  // behind a byte 0x50 to 0x5f
constexpr int kZstdWindowLogMax = 27;
constexpr int kGzipOnly = 16 + MAX_WBITS;
// zlib counts in 32 bits.
constexpr std::size_t kMaxStep = std::size_t{1} << 30;

bool IsSkippableMagic(std::string_view head, std::size_t size) {
  return (static_cast<unsigned char>(head[0]) & 0xf0U) == 0x50 &&
         kSkippableTail.starts_with(head.substr(1, size - 1));
}

// What the bytes begin with, or could begin with when there are too few.
bool MayBegin(std::string_view head, std::string_view magic) {
  const auto size = std::min(head.size(), magic.size());
  return head.substr(0, size) == magic.substr(0, size);
}

constexpr std::size_t kMagicBytes = 4;

}  // namespace

CompressionFormat DetectCompression(std::string_view head) {
  if (head.starts_with(kGzipMagic)) return CompressionFormat::kGzip;
  if (head.size() < kMagicBytes) return CompressionFormat::kNone;
  const bool zstd = head.starts_with(kZstdMagic) || IsSkippableMagic(head, kMagicBytes);
  return zstd ? CompressionFormat::kZstd : CompressionFormat::kNone;
}

struct Decompressor::Streams {
  Streams() = default;
  ~Streams() {
    if (gzip_open) inflateEnd(&gzip);
    ZSTD_freeDStream(zstd);
  }
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  z_stream gzip{};
  bool gzip_open = false;
  ZSTD_DStream* zstd = nullptr;
};

Decompressor::Decompressor() : streams_(std::make_unique<Streams>()) {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Result<std::size_t> Decompressor::Damaged(std::string_view why, std::size_t written) {
  const auto name = compression_ == CompressionFormat::kGzip ? "gzip" : "zstd";
  damaged_ = {StatusCode::kCorrupt,
              fmt::format("{} data is damaged at byte {}: {}", name, input_bytes_, why)};
  if (written > 0) return written;
  return damaged_;
}

void Decompressor::Detect(std::string_view* input) {
  const auto take = std::min(kMagicBytes - head_.size(), input->size());
  head_.append(input->substr(0, take));
  input->remove_prefix(take);
  input_bytes_ += take;
  if (head_.empty()) return;
  compression_ = DetectCompression(head_);
  const bool may_become_one = MayBegin(head_, kGzipMagic) || MayBegin(head_, kZstdMagic) ||
                              IsSkippableMagic(head_, head_.size());
  detected_ =
      compression_ != CompressionFormat::kNone || head_.size() == kMagicBytes || !may_become_one;
}

Result<std::size_t> Decompressor::Read(std::string_view* input, char* output,
                                       std::size_t capacity) {
  assert(capacity >= 4);
  if (!damaged_.ok()) return damaged_;
  if (!detected_) {
    Detect(input);
    if (!detected_) return std::size_t{0};
  }
  if (head_.empty()) return Decode(input, output, capacity);
  // The head was counted when it was taken, and is no part of `input` any more.
  input_bytes_ -= head_.size();
  std::string_view head = head_;
  auto written = Decode(&head, output, capacity);
  input_bytes_ += head.size();
  head_.erase(0, head_.size() - head.size());
  if (!written.ok() || !head_.empty() || *written == capacity) return written;
  auto more = Decode(input, output + *written, capacity - *written);
  if (more.ok()) *more += *written;
  return more;
}

Result<std::size_t> Decompressor::Decode(std::string_view* input, char* output,
                                         std::size_t capacity) {
  switch (compression_) {
    case CompressionFormat::kGzip:
      return Inflate(input, output, capacity);
    case CompressionFormat::kZstd:
      return Unzstd(input, output, capacity);
    case CompressionFormat::kNone:
      break;
  }
  const auto size = std::min(input->size(), capacity);
  if (size > 0) std::memcpy(output, input->data(), size);  // nothing may lie nowhere
  input->remove_prefix(size);
  input_bytes_ += size;
  return size;
}

Result<std::size_t> Decompressor::Inflate(std::string_view* input, char* output,
                                          std::size_t capacity) {
  z_stream& z = streams_->gzip;
  if (!streams_->gzip_open) {
    if (inflateInit2(&z, kGzipOnly) != Z_OK) return Damaged("out of memory");
    streams_->gzip_open = in_member_ = true;
  }
  std::size_t written = 0;
  while (written < capacity) {
    if (!in_member_) {
      while (!input->empty() && input->front() == '\0') {
        in_padding_ = true;
        input->remove_prefix(1);
        ++input_bytes_;
      }
      if (input->empty()) break;
      if (in_padding_) return Damaged("more follows the zero bytes behind its end", written);
      inflateReset(&z);
      in_member_ = true;
    }
    const auto in = std::min(input->size(), kMaxStep);
    const auto out = std::min(capacity - written, kMaxStep);
    // zlib's pointer is not const, but it writes nothing there.
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input->data()));
    z.avail_in = static_cast<uInt>(in);
    z.next_out = reinterpret_cast<Bytef*>(output + written);
    z.avail_out = static_cast<uInt>(out);
    const int code = inflate(&z, Z_NO_FLUSH);
    input->remove_prefix(in - z.avail_in);
    input_bytes_ += in - z.avail_in;
    written += out - z.avail_out;
    if (code == Z_STREAM_END) {
      in_member_ = false;
    } else if (code == Z_BUF_ERROR) {
      break;  // nothing to read, or no room: both are known
    } else if (code != Z_OK) {
      return Damaged(z.msg != nullptr ? z.msg : "it makes no sense", written);
    }
  }
  return written;
}

Result<std::size_t> Decompressor::Unzstd(std::string_view* input, char* output,
                                         std::size_t capacity) {
  if (streams_->zstd == nullptr) {
    streams_->zstd = ZSTD_createDStream();
    if (streams_->zstd == nullptr) return Damaged("out of memory");
    ZSTD_DCtx_setParameter(streams_->zstd, ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }
  ZSTD_outBuffer out{output, capacity, 0};
  while (out.pos < capacity) {
    ZSTD_inBuffer in{input->data(), input->size(), 0};
    const auto before = out.pos;
    const std::size_t code = ZSTD_decompressStream(streams_->zstd, &out, &in);
    input->remove_prefix(in.pos);
    input_bytes_ += in.pos;
    if (ZSTD_isError(code) != 0) return Damaged(ZSTD_getErrorName(code), out.pos);
    if (in.pos == 0 && out.pos == before) break;
    in_member_ = code != 0;
  }
  return out.pos;
}

Result<std::size_t> Decompressor::Finish(char* output, std::size_t capacity) {
  // Too few bytes to be anything compressed.
  if (!detected_) detected_ = true;
  std::string_view none;
  auto written = Read(&none, output, capacity);
  if (!written.ok() || *written > 0 || !in_member_) return written;
  const auto name = compression_ == CompressionFormat::kGzip ? "gzip" : "zstd";
  return Status(StatusCode::kCorrupt,
                fmt::format("{} data ends too early, at byte {}", name, input_bytes_));
}

}  // namespace rivulet
