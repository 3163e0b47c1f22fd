#include "bench/load.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bench/http_counter.h"
#include "bench/stream_decoder.h"

namespace rivulet::bench {
namespace {

struct Counted {
  std::size_t ended = 0;
  std::vector<std::string> heads;
};

Counted CountIn(const std::vector<std::string_view>& pieces) {
  HttpCounter counter;
  Counted counted;
  for (const std::string_view piece : pieces) {
    counted.ended +=
        counter.Feed(piece, [&](std::string_view head) { counted.heads.emplace_back(head); });
  }
  return counted;
}

TEST_CASE("http counter: a stream cut in two anywhere holds the same messages") {
  // Three: a body that looks like a head, no body, a body of length 0. The last head is unfinished.
  const std::string stream =
      "POST /put HTTP/1.1\r\nHost: h\r\ncontent-LENGTH: 8\r\n\r\nab\r\n\r\ncd"
      "GET /get HTTP/1.1\r\nHost: h\r\n\r\n"
      "POST /put HTTP/1.1\r\nContent-Length:0\r\n\r\n"
      "GET /get HTTP/1.1\r\n";
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    CAPTURE(cut);
    const std::string_view all = stream;
    const Counted counted = CountIn({all.substr(0, cut), all.substr(cut)});
    CHECK(counted.ended == 3);
    REQUIRE(counted.heads.size() == 3);
    CHECK(counted.heads[1] == "GET /get HTTP/1.1\r\nHost: h\r\n\r\n");
  }
}

TEST_CASE("http counter: a message counts when the last byte of its body has come") {
  HttpCounter counter;
  const auto ignore = [](std::string_view) {};
  CHECK(counter.Feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", ignore) == 0);
  CHECK(counter.Feed("b", ignore) == 1);
}

TEST_CASE("stream decoder: a stream cut in two anywhere gives the same data") {
  const std::string stream =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\n\r\n\r\n"
      "C\r\nfirst\nsecond\r\n"
      "1\r\n\n\r\n"
      "0\r\n\r\n";
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    CAPTURE(cut);
    StreamDecoder decoder;
    std::string data;
    const auto append = [&](std::string_view piece) { data += piece; };
    decoder.Feed(std::string_view(stream).substr(0, cut), append);
    decoder.Feed(std::string_view(stream).substr(cut), append);
    CHECK(data == "\r\nfirst\nsecond\n");
    CHECK(decoder.state() == StreamDecoder::State::kEnded);
  }
}

TEST_CASE("stream decoder: wrong framing and a refusal are seen") {
  const auto state_after = [](std::string_view stream) {
    StreamDecoder decoder;
    decoder.Feed(stream, [](std::string_view) {});
    return decoder.state();
  };
  CHECK(state_after("HTTP/1.1 503 Full\r\n\r\n") == StreamDecoder::State::kBroken);
  CHECK(state_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n") ==
        StreamDecoder::State::kBroken);
  CHECK(state_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n") ==
        StreamDecoder::State::kBroken);
}

TEST_CASE("latency histogram: quantiles are at most 1/64 above the exact ones") {
  FineHistogram histogram;
  CHECK(histogram.QuantileNs(0.5) == 0);
  for (std::int64_t ns = 1; ns <= 1'000'000; ++ns) histogram.Add(ns);
  for (const double q : {0.001, 0.5, 0.99, 0.999}) {
    const double exact = q * 1e6;
    const auto got = static_cast<double>(histogram.QuantileNs(q));
    CHECK(got >= exact);
    CHECK(got <= exact * (1 + 1.0 / 64) + 1);
  }
  CHECK(histogram.QuantileNs(1.0) == 1'000'000);
  histogram.Add(INT64_MAX);
  CHECK(histogram.max_ns() == static_cast<std::uint64_t>(INT64_MAX));
}

}  // namespace
}  // namespace rivulet::bench
