// Brings a spool back from the records of its journal (bridge/spool_record.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "bridge/spool_index.h"
#include "bridge/spool_record.h"
#include "journal/format.h"

namespace rivulet {

/// A reader or a source by its name, and how far it is.
using NamedNumber = std::pair<std::string, std::uint64_t>;

struct RestoredSpool {
  SpoolIndex index;
  bool is_new = true;       // there was no record
  std::uint64_t first = 0;  // the first message that is there
  std::uint64_t next = 0;   // the number behind the last one
  std::uint64_t bytes = 0;  // of the messages that are there, each with a newline
  std::vector<NamedNumber> readers;
  std::vector<NamedNumber> sources;
};

class SpoolRestorer {
 public:
  /// `out` must outlive it.
  explicit SpoolRestorer(RestoredSpool* out) : out_(out) {}

  /// The next record. kCorrupt when it makes no sense, or none behind those before.
  Status Visit(std::string_view bytes, const RecordPlace& place);

 private:
  Status AddRun();
  Status CheckIndex(std::size_t count) const;
  Status SetDone();
  Status SetSource();
  Status SetState();

  RestoredSpool* out_;
  SpoolRecord record_;
};

}  // namespace rivulet
