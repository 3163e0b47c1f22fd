// Reads a cursor's bytes, for the tests of logs.
#pragma once

#include <cstddef>
#include <string>

#include "pubsub/framed_log.h"

namespace rivulet {

inline constexpr std::size_t kEverything = std::size_t{1} << 40;

inline std::string Peek(LogCursor& cursor, std::size_t max_bytes = kEverything) {
  iovec pieces[16];
  const std::size_t count = cursor.Gather(pieces, max_bytes);
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) {
    bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  return bytes;
}

inline std::string Read(LogCursor& cursor, std::size_t max_bytes = kEverything) {
  std::string all;
  while (all.size() < max_bytes) {
    const std::string bytes = Peek(cursor, max_bytes - all.size());
    if (bytes.empty()) break;
    cursor.Consume(bytes.size());
    all += bytes;
  }
  return all;
}

struct LogFixture {
  explicit LogFixture(std::size_t block_bytes = BlockPool::kBlockBytes) : pool(block_bytes) {}
  BlockPool pool;
  FramedLog log{&pool, Framing::kLines};
};

}  // namespace rivulet
