// What the loop hands to the thread that writes, and gets back: bytes of part files, and which of
// them are complete.
//
// A batch is written whole, in this order: files are begun, chunks written, files completed, and a
// checkpoint made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rivulet {

/// Of each URL of the source, where to go on behind what is in this batch and those before.
using SourcePositions = std::vector<std::optional<std::uint64_t>>;

struct WriteBatch {
  /// A file that is made, under the first free number of its base.
  struct Begin {
    std::uint64_t part = 0;  // our number for it, never used again
    std::string base;
  };
  struct Chunk {
    std::uint64_t part = 0;
    std::string bytes;           // of whole messages
    std::uint64_t messages = 0;  // in it
    // Of the file, before and after; set by the writer.
    std::uint64_t begin_bytes = 0;
    std::uint64_t file_bytes = 0;
  };

  std::vector<Begin> begun;
  std::string time_key;  // of all that are begun
  std::vector<Chunk> chunks;
  std::vector<std::uint64_t> complete;  // renamed by the next checkpoint
  bool checkpoint = false;
  SourcePositions positions;       // of a checkpoint
  std::optional<std::size_t> url;  // the one that is followed
  std::uint64_t bytes = 0;         // of the chunks together
};

}  // namespace rivulet
