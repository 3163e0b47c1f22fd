#include "ps_to_file/compressor.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include <random>
#include <string>

namespace rivulet {
namespace {

// All members of a gzip file, as the library reads them.
std::string Gunzip(std::string file) {
  std::string out(std::size_t{4} << 20, '\0');
  std::size_t made = 0;
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(file.data());
  stream.avail_in = static_cast<uInt>(file.size());
  while (stream.avail_in > 0) {
    REQUIRE(inflateInit2(&stream, MAX_WBITS + 16) == Z_OK);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + made);
    stream.avail_out = static_cast<uInt>(out.size() - made);
    REQUIRE(inflate(&stream, Z_FINISH) == Z_STREAM_END);
    made = out.size() - stream.avail_out;
    inflateEnd(&stream);
  }
  return out.substr(0, made);
}

std::string Unzstd(const std::string& file) {
  std::string out(std::size_t{4} << 20, '\0');
  const std::size_t size = ZSTD_decompress(out.data(), out.size(), file.data(), file.size());
  REQUIRE(ZSTD_isError(size) == 0);
  return out.substr(0, size);
}

TEST_CASE("compressor: what it makes is whole after every call, and read as one file") {
  std::mt19937 random(1);
  std::string noise(300'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  for (const auto kind : {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    CAPTURE(CompressionSuffix(kind));
    Compressor compressor(kind, Compressor::DefaultLevel(kind));
    std::string all;
    std::string file;
    for (const std::string& bytes :
         {std::string("hello\n"), noise, std::string(1'000'000, 'a'), std::string(1, '\0')}) {
      const auto made = compressor.Compress(bytes);
      REQUIRE(made.ok());
      file += *made;
      all += bytes;
      const std::string read = kind == Compression::kNone   ? file
                               : kind == Compression::kGzip ? Gunzip(file)
                                                            : Unzstd(file);
      CHECK(read == all);
    }
    if (kind != Compression::kNone) CHECK(file.size() < 320'000);
  }
}

TEST_CASE("compressor: zstd frames carry the checksum that the program writes") {
  Compressor compressor(Compression::kZstd, 3);
  std::string frame(*compressor.Compress("some words, some words, some words"));
  // RFC 8878 3.1.1.1.1: bit 2 of the descriptor behind the magic number.
  CHECK((frame.at(4) & 4) != 0);
  frame.back() = static_cast<char>(frame.back() ^ 1);
  std::string out(100, '\0');
  CHECK(ZSTD_isError(ZSTD_decompress(out.data(), out.size(), frame.data(), frame.size())) != 0);
}

}  // namespace
}  // namespace rivulet
