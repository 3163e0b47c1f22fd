// The chunk decoder: whole and byte by byte it gives the same body, and never more than the limit.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/chunk_decoder.h"

using rivulet::ChunkDecoder;

namespace {

constexpr std::size_t kMaxBody = 4096;

void Require(bool condition) {
  if (!condition) std::abort();
}

struct End {
  ChunkDecoder::Outcome outcome = ChunkDecoder::Outcome::kNeedMore;
  int status = 0;
  std::size_t used = 0;
  std::string body;
  bool operator==(const End&) const = default;
};

End Decode(std::string_view data, std::size_t step) {
  ChunkDecoder decoder;
  End end;
  while (end.used < data.size() && end.outcome == ChunkDecoder::Outcome::kNeedMore) {
    std::size_t used = 0;
    end.outcome = decoder.Decode(data.substr(end.used, step), kMaxBody, &end.body, &used);
    end.used += used;
  }
  if (end.outcome == ChunkDecoder::Outcome::kError) end.status = decoder.error_status();
  return end;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const End whole = Decode(data, size + 1);
  Require(whole.body.size() <= kMaxBody);
  Require(whole == Decode(data, 1));
  Require(whole == Decode(data, 3));
  return 0;
}
