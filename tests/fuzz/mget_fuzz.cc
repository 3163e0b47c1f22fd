// The options of /mget and the batches of /mput: any query and any batch is taken or refused, and
// what framing carries comes out as it went in.
#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/frames.h"
#include "base/names.h"
#include "base/units.h"
#include "http/query.h"
#include "simplequeue/batch.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const std::size_t half = data.find('\n');
  const std::string_view query = data.substr(0, half);
  const std::string_view batch = half == std::string_view::npos ? "" : data.substr(half + 1);

  const auto items = rivulet::ParseUint(rivulet::FindParameter(query, "items").value_or("1"));
  if (items.ok()) Require(rivulet::ParseUint(fmt::format("{}", *items)).ok());
  const auto name = rivulet::FindParameter(query, "queue");
  if (name && rivulet::IsName(*name)) Require(name->size() <= 64);

  const std::string separator = rivulet::FindParameter(query, "separator").value_or("\n");
  if (!separator.empty()) {
    std::size_t record_bytes = 0;
    rivulet::ForEachRecord(batch, separator, [&](std::string_view record) {
      Require(!record.empty());
      Require(record.find(separator) == std::string_view::npos);
      record_bytes += record.size();
    });
    Require(record_bytes <= batch.size());
  }

  const auto frames = rivulet::ParseFrames(batch);
  if (!frames.ok()) return 0;
  std::string again;
  for (const std::string_view frame : *frames)
    again += fmt::format("{}\n{}\n", frame.size(), frame);
  const auto reread = rivulet::ParseFrames(again);
  Require(reread.ok() && *reread == *frames);
  return 0;
}
