// A task's summary on its way from a task host: a JSON array of what the task wrote, in order.
//
//   ["count",NAME,N] ["number",NAME,X] ["text",NAME,TEXT] ["table",NAME,COLUMN,…] ["row",CELL,…]
//
// A cell is a count as a whole number, a number as ["number",X], a text as a string. A number that
// is none is null.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "queuereader/task.h"

namespace rivulet {

class HostSummaryWriter final : public Summary {
 public:
  void Count(std::string_view name, std::uint64_t value) override;
  void Number(std::string_view name, double value) override;
  void Text(std::string_view name, std::string_view value) override;
  void Table(std::string_view name, std::vector<std::string> columns) override;
  void Row(std::vector<Cell> cells) override;
  /// All of it.
  std::string Finish() { return json_ + "]"; }

 private:
  void Begin(std::string_view kind);

  std::string json_ = "[";
};

/// Writes it into `summary`. Takes any bytes; what stands before something wrong was written.
Status ReadHostSummary(std::string_view json, Summary& summary);

}  // namespace rivulet
