#include "queuereader/report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <unordered_set>

#include "base/json.h"
#include "base/log.h"

namespace rivulet {
namespace {

using Cell = Summary::Cell;

std::string NumberText(double value) {
  return std::isfinite(value) ? fmt::format("{:.10g}", value) : "-";
}

std::string CellText(const Cell& cell) {
  switch (cell.kind) {
    case Cell::Kind::kCount:
      return fmt::format("{}", cell.count);
    case Cell::Kind::kNumber:
      return NumberText(cell.number);
    case Cell::Kind::kText:
      break;
  }
  return EscapeControl(cell.text);
}

void AppendCellJson(std::string* out, const Cell& cell) {
  switch (cell.kind) {
    case Cell::Kind::kCount:
      fmt::format_to(std::back_inserter(*out), "{}", cell.count);
      break;
    case Cell::Kind::kNumber:
      AppendJsonNumber(out, cell.number);
      break;
    case Cell::Kind::kText:
      AppendJsonString(out, cell.text);
      break;
  }
}

/// Gathers what a task says; the three ways to show it read from here.
class Gathered final : public Summary {
 public:
  struct Field {
    std::string name;
    Cell value;
  };
  struct TableRows {
    std::string name;
    std::vector<std::string> columns;
    std::vector<std::vector<Cell>> rows;
  };

  void Count(std::string_view name, std::uint64_t value) override {
    fields.push_back({std::string(name), Cell(value)});
  }
  void Number(std::string_view name, double value) override {
    fields.push_back({std::string(name), Cell(value)});
  }
  void Text(std::string_view name, std::string_view value) override {
    fields.push_back({std::string(name), Cell(value)});
  }
  void Table(std::string_view name, std::vector<std::string> columns) override {
    tables.push_back({std::string(name), std::move(columns), {}});
  }
  void Row(std::vector<Cell> cells) override {
    if (tables.empty()) return;
    cells.resize(tables.back().columns.size(), Cell(""));
    tables.back().rows.push_back(std::move(cells));
  }

  std::vector<Field> fields;
  std::vector<TableRows> tables;
};

/// The columns a text takes on a terminal: its code points.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void AppendPadded(std::string* out, std::string_view text, std::size_t width, bool right) {
  std::size_t pad = width - std::min(width, Width(text));
  if (right) out->append(pad, ' ');
  out->append(text);
  if (!right) out->append(pad, ' ');
}

void AppendTable(std::string* out, const Gathered::TableRows& table) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    std::size_t width = Width(table.columns[c]);
    for (const auto& row : table.rows) width = std::max(width, Width(CellText(row[c])));
    widths.push_back(width);
  }
  auto append_row = [&](auto text_of, auto right_of) {
    std::string line = " ";
    for (std::size_t c = 0; c < widths.size(); ++c) {
      line += c ? "  " : " ";
      AppendPadded(&line, text_of(c), widths[c], right_of(c));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    *out += line + "\n";
  };
  auto is_number = [&](std::size_t c) {
    return !table.rows.empty() && table.rows.front()[c].kind != Cell::Kind::kText;
  };
  append_row([&](std::size_t c) { return table.columns[c]; }, is_number);
  for (const auto& row : table.rows) {
    append_row([&](std::size_t c) { return CellText(row[c]); }, is_number);
  }
}

void AppendTaskText(std::string* out, const Gathered& task) {
  std::size_t names = 0;
  std::size_t values = 0;
  for (const auto& field : task.fields) {
    names = std::max(names, Width(field.name));
    if (field.value.kind != Cell::Kind::kText)
      values = std::max(values, Width(CellText(field.value)));
  }
  for (const auto& field : task.fields) {
    *out += "  ";
    AppendPadded(out, field.name, names, false);
    *out += "  ";
    AppendPadded(out, CellText(field.value), values, field.value.kind != Cell::Kind::kText);
    out->erase(out->find_last_not_of(' ') + 1);
    *out += '\n';
  }
  for (const auto& table : task.tables) AppendTable(out, table);
}

/// Places of those whose name comes again later are left out: JSON may have a name only once.
template <typename Items, typename NameOf>
std::vector<std::size_t> LastOfEachName(const Items& items, NameOf name_of,
                                        std::unordered_set<std::string_view>* names) {
  std::vector<std::size_t> last;
  for (std::size_t i = items.size(); i > 0; --i) {
    if (names->insert(name_of(items[i - 1])).second) last.push_back(i - 1);
  }
  std::reverse(last.begin(), last.end());
  return last;
}

void AppendTableJson(std::string* out, const Gathered::TableRows& table) {
  std::unordered_set<std::string_view> names;
  const auto columns = LastOfEachName(
      table.columns, [](const std::string& column) -> std::string_view { return column; }, &names);
  *out += '[';
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    *out += r ? ",{" : "{";
    for (const std::size_t c : columns) {
      if (c != columns.front()) *out += ',';
      AppendJsonString(out, table.columns[c]);
      *out += ':';
      AppendCellJson(out, table.rows[r][c]);
    }
    *out += '}';
  }
  *out += ']';
}

void AppendTaskJson(std::string* out, const Gathered& task) {
  std::unordered_set<std::string_view> names;
  const auto name_of = [](const auto& item) -> std::string_view { return item.name; };
  const auto tables = LastOfEachName(task.tables, name_of, &names);
  const auto fields = LastOfEachName(task.fields, name_of, &names);
  *out += '{';
  auto name = [out](std::string_view text, bool first) {
    if (!first) *out += ',';
    AppendJsonString(out, text);
    *out += ':';
  };
  bool first = true;
  for (const std::size_t i : fields) {
    name(task.fields[i].name, first);
    AppendCellJson(out, task.fields[i].value);
    first = false;
  }
  for (const std::size_t i : tables) {
    name(task.tables[i].name, first);
    AppendTableJson(out, task.tables[i]);
    first = false;
  }
  *out += '}';
}

double Rate(std::uint64_t n, Duration elapsed) {
  double seconds = std::chrono::duration<double>(elapsed).count();
  return seconds > 0 ? static_cast<double>(n) / seconds : 0;
}

void AppendCount(std::string* out, std::string_view name, std::uint64_t count) {
  if (count) fmt::format_to(std::back_inserter(*out), ", {} {}", name, count);
}

Gathered Gather(const Reader& reader, std::size_t i) {
  Gathered gathered;
  reader.SummarizeTask(i, gathered);
  return gathered;
}

}  // namespace

std::string SummaryText(const SummaryHead& head, const Reader& reader) {
  const ReaderCounts& n = reader.counts();
  std::string out = fmt::format(
      "{} messages from {} in {:.3f} s ({:.0f}/s)\n"
      "finished {}, dropped {}, requeued {}, given up {}, malformed {}",
      n.messages, head.source, std::chrono::duration<double>(head.elapsed).count(),
      Rate(n.messages - head.restored, head.elapsed), n.finished, n.dropped, n.requeued, n.given_up,
      n.malformed);
  AppendCount(&out, "left", head.left);
  out += '\n';
  const ReaderStats stats = reader.Stats();
  for (std::size_t i = 0; i < reader.task_count(); ++i) {
    const ReaderStats::OfTask& task = stats.tasks[i];
    fmt::format_to(std::back_inserter(out), "\n{}  done {}, failed {}", EscapeControl(task.name),
                   task.counts.done, task.counts.failed);
    AppendCount(&out, "retried", task.counts.retried);
    AppendCount(&out, "given up", task.counts.given_up);
    out += '\n';
    Gathered gathered = Gather(reader, i);
    for (const auto& [name, value] : task.counters) gathered.Count(name, value);
    AppendTaskText(&out, gathered);
  }
  return out;
}

std::string SummaryJson(const SummaryHead& head, const Reader& reader) {
  const ReaderCounts& n = reader.counts();
  std::string out = "{\"source\":";
  AppendJsonString(&out, head.source);
  fmt::format_to(std::back_inserter(out),
                 ",\"messages\":{},\"finished\":{},\"dropped\":{},\"requeued\":{},\"given_up\":{},"
                 "\"malformed\":{},\"left\":{},\"seconds\":{:.6f},\"messages_per_second\":{:.0f},"
                 "\"tasks\":[",
                 n.messages, n.finished, n.dropped, n.requeued, n.given_up, n.malformed, head.left,
                 std::chrono::duration<double>(head.elapsed).count(),
                 Rate(n.messages - head.restored, head.elapsed));
  const ReaderStats stats = reader.Stats();
  for (std::size_t i = 0; i < reader.task_count(); ++i) {
    const ReaderStats::OfTask& task = stats.tasks[i];
    out += i ? ",{\"name\":" : "{\"name\":";
    AppendJsonString(&out, task.name);
    fmt::format_to(std::back_inserter(out),
                   ",\"done\":{},\"failed\":{},\"retried\":{},\"given_up\":{},\"counters\":{{",
                   task.counts.done, task.counts.failed, task.counts.retried, task.counts.given_up);
    for (std::size_t c = 0; c < task.counters.size(); ++c) {
      fmt::format_to(std::back_inserter(out), "{}\"{}\":{}", c ? "," : "", task.counters[c].first,
                     task.counters[c].second);
    }
    out += "},\"summary\":";
    AppendTaskJson(&out, Gather(reader, i));
    out += '}';
  }
  return out += "]}\n";
}

std::string TaskSummaryJson(const Reader& reader, std::size_t task) {
  std::string out;
  AppendTaskJson(&out, Gather(reader, task));
  return out += '\n';
}

std::string TaskSummaryText(const Reader& reader, std::size_t task) {
  std::string out;
  AppendTaskText(&out, Gather(reader, task));
  return out.empty() ? "\n" : out;
}

std::string ProgressLine(const Reader& reader, double messages_per_second) {
  const ReaderCounts& n = reader.counts();
  std::string out = fmt::format("{} messages, {:.0f}/s", n.messages, messages_per_second);
  auto count = [&out](std::string_view name, std::uint64_t value) {
    if (value) fmt::format_to(std::back_inserter(out), ", {} {}", value, name);
  };
  count("dropped", n.dropped);
  count("requeued", n.requeued);
  count("given up", n.given_up);
  count("malformed", n.malformed);
  for (std::size_t i = 0; i < reader.task_count(); ++i) {
    Gathered task = Gather(reader, i);
    fmt::format_to(std::back_inserter(out), "; {}:", reader.task_name(i));
    if (reader.task_counts(i).failed) {
      fmt::format_to(std::back_inserter(out), " failed={}", reader.task_counts(i).failed);
    }
    for (const auto& field : task.fields) {
      fmt::format_to(std::back_inserter(out), " {}={}", field.name, CellText(field.value));
    }
    for (const auto& table : task.tables) {
      if (table.rows.empty()) continue;
      const auto& row = table.rows.front();
      for (std::size_t c = 0; c < row.size(); ++c) {
        fmt::format_to(std::back_inserter(out), " {}={}", table.columns[c], CellText(row[c]));
      }
    }
  }
  return out;
}

}  // namespace rivulet
