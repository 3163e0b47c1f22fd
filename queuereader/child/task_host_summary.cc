#include "queuereader/child/task_host_summary.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include "base/json.h"

namespace rivulet {
namespace {

using Cell = Summary::Cell;

double NumberOf(const JsonValue& value) {
  return JsonNumber(&value).value_or(std::numeric_limits<double>::quiet_NaN());
}

std::optional<Cell> CellOf(const JsonValue& value) {
  if (value.IsUint64()) return Cell(value.GetUint64());
  if (value.IsString()) return Cell(JsonText(value));
  if (value.IsArray() && value.Size() == 2) return Cell(NumberOf(value[1]));
  return std::nullopt;
}

/// False when it is no line of a summary.
bool ReadField(std::string_view kind, std::string_view name, const JsonValue& value,
               Summary& summary) {
  if (kind == "count" && value.IsUint64()) {
    summary.Count(name, value.GetUint64());
  } else if (kind == "number" && (value.IsNumber() || value.IsNull())) {
    summary.Number(name, NumberOf(value));
  } else if (kind == "text" && value.IsString()) {
    summary.Text(name, JsonText(value));
  } else {
    return false;
  }
  return true;
}

bool ReadRow(const JsonValue& line, Summary& summary) {
  std::vector<Cell> cells;
  for (rapidjson::SizeType i = 1; i < line.Size(); ++i) {
    auto cell = CellOf(line[i]);
    if (!cell) return false;
    cells.push_back(*std::move(cell));
  }
  summary.Row(std::move(cells));
  return true;
}

bool ReadTable(const JsonValue& line, Summary& summary) {
  std::vector<std::string> texts;
  for (rapidjson::SizeType i = 1; i < line.Size(); ++i) {
    if (!line[i].IsString()) return false;
    texts.emplace_back(JsonText(line[i]));
  }
  if (texts.empty()) return false;
  const std::string name = std::move(texts.front());
  texts.erase(texts.begin());
  summary.Table(name, std::move(texts));
  return true;
}

bool ReadLine(const JsonValue& line, Summary& summary) {
  if (!line.IsArray() || line.Empty() || !line[0].IsString()) return false;
  const std::string_view kind = JsonText(line[0]);
  if (kind == "row") return ReadRow(line, summary);
  if (kind == "table") return ReadTable(line, summary);
  return line.Size() == 3 && line[1].IsString() &&
         ReadField(kind, JsonText(line[1]), line[2], summary);
}

}  // namespace

void HostSummaryWriter::Begin(std::string_view kind) {
  fmt::format_to(std::back_inserter(json_), "{}[\"{}\"", json_.size() > 1 ? "," : "", kind);
}

void HostSummaryWriter::Count(std::string_view name, std::uint64_t value) {
  Begin("count");
  json_ += ',';
  AppendJsonString(&json_, name);
  fmt::format_to(std::back_inserter(json_), ",{}]", value);
}

void HostSummaryWriter::Number(std::string_view name, double value) {
  Begin("number");
  json_ += ',';
  AppendJsonString(&json_, name);
  json_ += ',';
  AppendJsonNumber(&json_, value);
  json_ += ']';
}

void HostSummaryWriter::Text(std::string_view name, std::string_view value) {
  Begin("text");
  json_ += ',';
  AppendJsonString(&json_, name);
  json_ += ',';
  AppendJsonString(&json_, value);
  json_ += ']';
}

void HostSummaryWriter::Table(std::string_view name, std::vector<std::string> columns) {
  Begin("table");
  json_ += ',';
  AppendJsonString(&json_, name);
  for (const std::string& column : columns) {
    json_ += ',';
    AppendJsonString(&json_, column);
  }
  json_ += ']';
}

void HostSummaryWriter::Row(std::vector<Cell> cells) {
  Begin("row");
  for (const Cell& cell : cells) {
    json_ += ',';
    switch (cell.kind) {
      case Cell::Kind::kCount:
        fmt::format_to(std::back_inserter(json_), "{}", cell.count);
        break;
      case Cell::Kind::kNumber:
        json_ += "[\"number\",";
        AppendJsonNumber(&json_, cell.number);
        json_ += ']';
        break;
      case Cell::Kind::kText:
        AppendJsonString(&json_, cell.text);
        break;
    }
  }
  json_ += ']';
}

Status ReadHostSummary(std::string_view json, Summary& summary) {
  JsonDocument document;
  if (Status status = document.Parse(json); !status.ok()) return status;
  if (!document.root().IsArray()) return InvalidArgument("a summary must be an array");
  for (const JsonValue& line : document.root().GetArray()) {
    if (!ReadLine(line, summary)) {
      return InvalidArgument("a summary's line must be count, number, text, table or row");
    }
  }
  return {};
}

}  // namespace rivulet
