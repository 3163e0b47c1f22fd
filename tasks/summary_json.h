// A summary as one JSON object, as readers show it: a table is an array of objects, one a row.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "queuereader/task.h"

namespace rivulet {

class SummaryJsonWriter final : public Summary {
 public:
  void Count(std::string_view name, std::uint64_t value) override;
  void Number(std::string_view name, double value) override;
  void Text(std::string_view name, std::string_view value) override;
  void Table(std::string_view name, std::vector<std::string> columns) override;
  void Row(std::vector<Cell> cells) override;

  /// Once, at the end.
  std::string Finish();

 private:
  void Name(std::string_view name);
  void EndTable();

  std::string json_ = "{";
  std::vector<std::string> columns_;
  bool in_table_ = false;
};

}  // namespace rivulet
