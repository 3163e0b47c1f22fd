// What /tasks/NAME shows of a task. Runs where tasks run.
#pragma once

#include <string>
#include <string_view>

#include "queuereader/reader.h"
#include "queuereader/report/introspection_report.h"

namespace rivulet {

struct TaskAnswer {
  int status = 200;
  std::string content_type;
  std::string body;
};

/// Fields of every answer about a task, as lines. A task's page may hold what messages brought: it
/// runs no script, loads nothing, and is of no origin.
inline constexpr std::string_view kTaskPolicy =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; sandbox\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cache-Control: no-store\r\n";

/// "json", "text", and the task's own, of each task.
TaskViews ViewsOf(const Reader& reader);
/// 404 names what there is. Never throws.
TaskAnswer ShowTask(const Reader& reader, std::string_view name, std::string_view view);

}  // namespace rivulet
