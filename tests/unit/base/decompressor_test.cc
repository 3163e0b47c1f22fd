#include "base/decompressor.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <string_view>
#include <vector>

using namespace rivulet;

namespace {

// By the libraries' own compressors.
std::string Gzip(std::string_view text) {
  z_stream z{};
  REQUIRE(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string Zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const auto size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  REQUIRE(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

std::string Text() {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "line " + std::to_string(i * i) + '\n';
  return text + std::string("\0\r\xff", 3);
}

struct Outcome {
  std::string text;
  Status status;
  CompressionFormat compression{};
};

// In pieces of `step` bytes, the first of `first`, into a buffer of `capacity`.
Outcome Decompress(std::string_view data, std::size_t first, std::size_t step,
                   std::size_t capacity) {
  Decompressor decompressor;
  Outcome outcome;
  std::string buffer(capacity, '\0');
  const auto take = [&](const Result<std::size_t>& size) {
    outcome.status = size.status();
    if (size.ok()) outcome.text.append(buffer, 0, *size);
    return size.ok() && *size > 0;
  };
  for (std::size_t at = 0, next = first; at < data.size(); at += next, next = step) {
    std::string_view piece = data.substr(at, next);
    bool filled = true;
    while (outcome.status.ok() && (!piece.empty() || filled)) {
      const auto before = outcome.text.size();
      take(decompressor.Read(&piece, buffer.data(), capacity));
      filled = outcome.text.size() - before == capacity;
    }
    if (!outcome.status.ok()) return outcome;
  }
  while (take(decompressor.Finish(buffer.data(), capacity))) {
  }
  outcome.compression = decompressor.compression();
  return outcome;
}

}  // namespace

TEST_CASE("decompressor: gzip, zstd and plain bytes come out the same however they are cut") {
  const std::string text = Text();
  const struct {
    std::string data;
    CompressionFormat compression;
  } cases[] = {{text, CompressionFormat::kNone},
               {Gzip(text), CompressionFormat::kGzip},
               {Zstd(text), CompressionFormat::kZstd}};
  for (const auto& c : cases) {
    for (std::size_t cut = 1; cut <= c.data.size(); ++cut) {
      const auto outcome = Decompress(c.data, cut, c.data.size(), 4096);
      REQUIRE(outcome.status.message() == "");
      REQUIRE(outcome.text == text);
      REQUIRE(outcome.compression == c.compression);
    }
    for (const std::size_t capacity : {4U, 5U, 64U}) {
      REQUIRE(Decompress(c.data, 1, 1, capacity).text == text);
    }
  }
}

TEST_CASE("decompressor: members and frames follow one another, empty ones included") {
  CHECK(Decompress(Gzip("one\n") + Gzip("") + Gzip("two\n"), 3, 1, 4).text == "one\ntwo\n");
  CHECK(Decompress(Zstd("one\n") + Zstd("") + Zstd("two\n"), 3, 1, 4).text == "one\ntwo\n");
  // A skippable frame of 3 bytes (RFC 8878, 3.1.2), which pzstd writes first.
  const std::string skippable("\x50\x2a\x4d\x18\x03\0\0\0abc", 11);
  const auto outcome = Decompress(skippable + Zstd("one\n"), 2, 5, 4096);
  CHECK(outcome.status.message() == "");
  CHECK(outcome.text == "one\n");
}

TEST_CASE("decompressor: zero bytes may pad a gzip file, other bytes may not follow it") {
  CHECK(Decompress(Gzip("one\n") + std::string(600, '\0'), 9, 100, 4096).text == "one\n");
  for (const std::string& tail : {std::string("x"), std::string("\0\0x", 3)}) {
    const auto outcome = Decompress(Gzip("one\n") + tail, 9, 100, 4096);
    CHECK(outcome.status.code() == StatusCode::kCorrupt);
  }
  CHECK(Decompress(Zstd("one\n") + "garbage", 9, 100, 4096).status.code() == StatusCode::kCorrupt);
}

TEST_CASE("decompressor: data that ends in the middle is told, and what came before is right") {
  const std::string text = Text();
  for (const std::string& data : {Gzip(text), Zstd(text)}) {
    // With fewer bytes than a magic number has, it is not known what this is.
    for (std::size_t size = 4; size < data.size(); ++size) {
      const auto outcome = Decompress(std::string_view(data).substr(0, size), 7, 7, 64);
      REQUIRE(outcome.status.code() == StatusCode::kCorrupt);
      REQUIRE(outcome.status.message().find("ends too early, at byte " + std::to_string(size)) !=
              std::string::npos);
      REQUIRE(text.starts_with(outcome.text));
    }
  }
}

TEST_CASE("decompressor: a changed byte of gzip is never taken silently") {
  const std::string text = Text();
  const std::string good = Gzip(text);
  // Behind the header, where the time and the name of the system stand, which no checksum covers.
  int harmless = 0;
  for (std::size_t at = 10; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    const auto outcome = Decompress(bad, bad.size(), 1, 4096);
    // A bit that only fills the last byte of the deflated data may change.
    if (outcome.status.ok()) {
      REQUIRE(outcome.text == text);
      ++harmless;
    } else {
      REQUIRE(outcome.status.code() == StatusCode::kCorrupt);
      REQUIRE(outcome.status.message().find("gzip data") == 0);
    }
  }
  CHECK(harmless <= 1);
}

TEST_CASE("decompressor: what only begins like a magic number is plain") {
  const std::string texts[] = {"\x1f",   "\x1f\x8b",     "(", "\x28\xb5\x2f", "P*M",
                               "(text)", "\x1f\x8b\x07z"};
  for (const std::string& text : texts) {
    CHECK(Decompress(text, 1, 1, 4).text == text);
    CHECK(DetectCompression(text) == CompressionFormat::kNone);
  }
  CHECK(DetectCompression(Gzip("")) == CompressionFormat::kGzip);
  CHECK(DetectCompression(Zstd("")) == CompressionFormat::kZstd);
  CHECK(Decompress("", 1, 1, 4).text.empty());
}

TEST_CASE("decompressor: taken as plain, compressed bytes stay as they are") {
  const std::string data = Gzip("one\n");
  Decompressor decompressor;
  decompressor.TakeAsPlain();
  std::string_view rest = data;
  std::string buffer(data.size(), '\0');
  const auto size = decompressor.Read(&rest, buffer.data(), buffer.size());
  REQUIRE(size.ok());
  CHECK(buffer.substr(0, *size) == data);
}

TEST_CASE("decompressor: a small file of many bytes comes piece by piece") {
  const std::string bomb = Gzip(std::string(1 << 22, 'a'));
  REQUIRE(bomb.size() < 8192);
  Decompressor decompressor;
  std::string_view rest = bomb;
  std::string buffer(1000, '\0');
  const auto size = decompressor.Read(&rest, buffer.data(), buffer.size());
  REQUIRE(size.ok());
  CHECK(*size == 1000);
  CHECK(Decompress(bomb, 100, 100, 50000).text.size() == 1 << 22);
}

TEST_CASE("decompressor: a zstd frame that wants a larger window than 128 MiB is refused") {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 28);
  std::string data(256, '\0');
  ZSTD_outBuffer out{data.data(), data.size(), 0};
  ZSTD_inBuffer in{"one\n", 4, 0};
  // Without the size known, the frame asks for the whole window.
  REQUIRE(ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush) == 0);
  ZSTD_freeCCtx(context);
  const auto outcome = Decompress(data.substr(0, out.pos), out.pos, 1, 4096);
  CHECK(outcome.status.code() == StatusCode::kCorrupt);
  CHECK(outcome.status.message().find("memory") != std::string::npos);
}
