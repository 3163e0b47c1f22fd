#include "ps_to_file/compressor.h"

#include <zlib.h>
#include <zstd.h>

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace rivulet {

std::string_view CompressionSuffix(Compression kind) {
  switch (kind) {
    case Compression::kGzip:
      return ".gz";
    case Compression::kZstd:
      return ".zst";
    case Compression::kNone:
      break;
  }
  return "";
}

namespace {
constexpr int kGzipHeader = 16;  // for deflateInit2: a gzip header and trailer, not zlib's

struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

Status NoMemory(std::string_view why) {
  return {StatusCode::kExhausted, fmt::format("compression failed: {}", why)};
}
}  // namespace

struct Compressor::Impl {
  Compression kind;
  int level;
  std::string out;
  std::unique_ptr<ZSTD_CCtx, FreeZstd> zstd;
  z_stream gzip{};
  bool gzip_begun = false;

  Impl(Compression wanted, int wanted_level) : kind(wanted), level(wanted_level) {}
  ~Impl() {
    if (gzip_begun) deflateEnd(&gzip);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<std::string_view> Zstd(std::string_view bytes);
  Result<std::string_view> Gzip(std::string_view bytes);
  void MakeRoom(std::size_t bytes) {
    if (out.size() < bytes) out.resize(bytes);
  }
};

Result<std::string_view> Compressor::Impl::Zstd(std::string_view bytes) {
  if (zstd == nullptr) {
    zstd.reset(ZSTD_createCCtx());
    if (zstd == nullptr) return NoMemory("no memory for zstd");
    ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_checksumFlag, 1);
  }
  MakeRoom(ZSTD_compressBound(bytes.size()));
  const std::size_t size =
      ZSTD_compress2(zstd.get(), out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0) return NoMemory(ZSTD_getErrorName(size));
  return std::string_view(out).substr(0, size);
}

Result<std::string_view> Compressor::Impl::Gzip(std::string_view bytes) {
  const int begun = gzip_begun ? deflateReset(&gzip)
                               : deflateInit2(&gzip, level, Z_DEFLATED, MAX_WBITS + kGzipHeader,
                                              MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY);
  if (begun != Z_OK) return NoMemory("no memory for gzip");
  gzip_begun = true;
  MakeRoom(deflateBound(&gzip, bytes.size()));
  gzip.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  std::size_t left = bytes.size();
  std::size_t made = 0;
  int code = Z_OK;
  // zlib counts in 32 bits.
  constexpr std::size_t kMost = std::numeric_limits<uInt>::max() / 2;
  while (code == Z_OK) {
    const auto in = static_cast<uInt>(std::min(left, kMost));
    const auto room = static_cast<uInt>(std::min(out.size() - made, kMost));
    gzip.avail_in = in;
    gzip.next_out = reinterpret_cast<Bytef*>(out.data() + made);
    gzip.avail_out = room;
    code = deflate(&gzip, in == left ? Z_FINISH : Z_NO_FLUSH);
    left -= in - gzip.avail_in;
    made += room - gzip.avail_out;
  }
  if (code != Z_STREAM_END) return NoMemory(fmt::format("zlib error {}", code));
  return std::string_view(out).substr(0, made);
}

Compressor::Compressor(Compression kind, int level) : impl_(std::make_unique<Impl>(kind, level)) {}
Compressor::~Compressor() = default;

Result<std::string_view> Compressor::Compress(std::string_view bytes) {
  switch (impl_->kind) {
    case Compression::kGzip:
      return impl_->Gzip(bytes);
    case Compression::kZstd:
      return impl_->Zstd(bytes);
    case Compression::kNone:
      break;
  }
  return bytes;
}

}  // namespace rivulet
