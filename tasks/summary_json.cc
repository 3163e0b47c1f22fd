#include "tasks/summary_json.h"

#include <algorithm>
#include <utility>

#include "base/json.h"

namespace rivulet {

void SummaryJsonWriter::EndTable() {
  if (in_table_) json_ += ']';
  in_table_ = false;
}

void SummaryJsonWriter::Name(std::string_view name) {
  EndTable();
  if (json_.size() > 1) json_ += ',';
  AppendJsonString(&json_, name);
  json_ += ':';
}

void SummaryJsonWriter::Count(std::string_view name, std::uint64_t value) {
  Name(name);
  json_ += std::to_string(value);
}

void SummaryJsonWriter::Number(std::string_view name, double value) {
  Name(name);
  AppendJsonNumber(&json_, value);
}

void SummaryJsonWriter::Text(std::string_view name, std::string_view value) {
  Name(name);
  AppendJsonString(&json_, value);
}

void SummaryJsonWriter::Table(std::string_view name, std::vector<std::string> columns) {
  Name(name);
  json_ += '[';
  columns_ = std::move(columns);
  in_table_ = true;
}

void SummaryJsonWriter::Row(std::vector<Cell> cells) {
  if (!in_table_) return;
  json_ += json_.back() == '[' ? "{" : ",{";
  for (std::size_t i = 0; i < std::min(cells.size(), columns_.size()); ++i) {
    if (i > 0) json_ += ',';
    AppendJsonString(&json_, columns_[i]);
    json_ += ':';
    switch (cells[i].kind) {
      case Cell::Kind::kText:
        AppendJsonString(&json_, cells[i].text);
        break;
      case Cell::Kind::kCount:
        json_ += std::to_string(cells[i].count);
        break;
      case Cell::Kind::kNumber:
        AppendJsonNumber(&json_, cells[i].number);
        break;
    }
  }
  json_ += '}';
}

std::string SummaryJsonWriter::Finish() {
  EndTable();
  return std::move(json_) + "}";
}

}  // namespace rivulet
