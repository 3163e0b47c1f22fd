// A memory store as bytes: what a checkpoint and a file store's snapshot hold.
//
//   "rivulet store 2\n", then records, each of them a letter and what it is followed by:
//   t   when it expires, the key, the text
//   h   when it expires, the key, how many fields, of each its name and text
//   s   when it expires, the key, how many members, of each its name and score
//   d   when it expires, the key, HyperLogLog::Save()
//   o i what has come once (store/once_ids.h)
//
// Numbers are 8 bytes, little-endian (algorithms/bytes.h); bytes stand behind their number; times
// are milliseconds of the wall clock, 0: never. The first format, "rivulet store 1\n", had keys and
// texts alone, as frames (base/frames.h): it is read, and no more written.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

class MemoryCommands;

/// Empty where there is nothing.
std::string SaveMemory(MemoryCommands& commands);
/// Into one that holds nothing. kCorrupt: it is not what was saved; what was loaded until then is
/// of no use.
Status LoadMemory(std::string_view saved, MemoryCommands* loaded);

}  // namespace rivulet
