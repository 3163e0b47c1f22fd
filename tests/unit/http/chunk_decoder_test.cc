#include "http/chunk_decoder.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using rivulet::ChunkDecoder;
using Outcome = ChunkDecoder::Outcome;

namespace {

struct Decoded {
  int status;  // 200 when whole, 0 when more is wanted, else the error
  std::string body;
  std::size_t used;
  bool operator==(const Decoded&) const = default;
};

// In pieces of `step` bytes.
Decoded Decode(const std::string& bytes, std::size_t step, std::size_t max = 1000) {
  ChunkDecoder decoder;
  Decoded out{0, "", 0};
  while (out.used < bytes.size()) {
    std::size_t used = 0;
    const auto outcome =
        decoder.Decode(std::string_view(bytes).substr(out.used, step), max, &out.body, &used);
    out.used += used;
    if (outcome == Outcome::kDone) out.status = 200;
    if (outcome == Outcome::kError) out.status = decoder.error_status();
    if (outcome != Outcome::kNeedMore) break;
  }
  return out;
}

}  // namespace

TEST_CASE("chunk decoder: bodies of RFC 9112 7.1 come out whole, and nothing after them is used") {
  CHECK(Decode("5\r\nhello\r\n0\r\n\r\nGET", 99) == Decoded{200, "hello", 15});
  CHECK(Decode("A\r\n0123456789\r\n00\r\n\r\n", 99).body == "0123456789");
  CHECK(Decode("3;a=b;c=\"d\"\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 99).body == "abcde");
  CHECK(Decode("1\r\na\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", 99).status == 200);
  CHECK(Decode("0\r\n\r\n", 99) == Decoded{200, "", 5});
}

TEST_CASE("chunk decoder: refuses what could be read in two ways") {
  const std::vector<std::string> wrong = {
      "+5\r\nhello\r\n", "-0\r\n",           "0x5\r\nhello\r\n", " 5\r\nhello\r\n",
      "5 \r\nhello\r\n", "0_5\r\nhello",     "\r\nhello",        "g\r\n",
      ";\r\n",           "5\nhello\r\n",     "5;x\nhello\r\n",   "5;a\rb\r\nhello\r\n",
      "5\r\nhelloXX",    "5\r\nhello\n0",    "5\r\nhello!!!",    "0\r\nXX Y: 1\r\n\r\n",
      "0\r\nX : 1\r\n",  "0\r\nX: \x01\r\n", "0\r\n\rX",         std::string("5;\0\r\n", 5),
  };
  for (const std::string& bytes : wrong) {
    INFO(bytes);
    CHECK(Decode(bytes, 99).status == 400);
    CHECK(Decode(bytes, 1).status == 400);
  }
}

TEST_CASE("chunk decoder: sizes beyond the limit, also beyond 64 bits, are too large") {
  CHECK(Decode("3e9\r\n", 99).status == 413);
  CHECK(Decode("10000000000000005\r\n", 99).status == 413);
  CHECK(Decode("ffffffffffffffff\r\n", 99).status == 413);
  CHECK(Decode("00000000000000000000000000000003\r\nabc\r\n0\r\n\r\n", 99).body == "abc");
  CHECK(Decode("200\r\n" + std::string(512, 'a') + "\r\n1f4\r\n", 99).status == 413);
}

TEST_CASE("chunk decoder: extensions and trailers are bounded") {
  CHECK(Decode("1;" + std::string(100000, 'e'), 4096).status == 400);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 5000; ++i) trailers += "X-T: 1\r\n";
  CHECK(Decode(trailers, 4096).status == 431);
}

TEST_CASE("chunk decoder: a cut at any byte changes nothing") {
  const std::string bytes = "5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: 1\r\n\r\nrest";
  const Decoded whole = Decode(bytes, bytes.size());
  CHECK(whole.body == "hello0123456789");
  for (std::size_t step = 1; step < bytes.size(); ++step) CHECK(Decode(bytes, step) == whole);
}
