// What the records of a journal come to, for people: each owner has its own.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

class RecordSummary {
 public:
  RecordSummary() = default;
  virtual ~RecordSummary() = default;
  RecordSummary(const RecordSummary&) = delete;
  RecordSummary& operator=(const RecordSummary&) = delete;

  /// The next record. kCorrupt when it makes no sense.
  virtual Status Visit(std::string_view record) = 0;
  /// Lines that say how many records of each type there were.
  virtual std::string Types() const = 0;
  /// After the last record: a table of what a start would find.
  virtual std::string Table() = 0;
};

}  // namespace rivulet
