#include "queuereader/report/introspection_views.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"
#include "http/message.h"
#include "queuereader/report/summary.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxTypeBytes = 100;

TaskAnswer PlainAnswer(int status, std::string text) {
  return {status, std::string(kTextPlain), std::move(text) + "\n"};
}

// A field of an answer holds no control byte, whatever the task says.
std::string ContentType(const std::string& type) {
  const bool good = !type.empty() && type.size() <= kMaxTypeBytes &&
                    std::ranges::all_of(type, [](char c) { return c >= ' ' && c <= '~'; });
  return good ? type : "application/octet-stream";
}

std::vector<std::string> ViewsOf(const Reader& reader, std::size_t task) {
  std::vector<std::string> views = {"json", "text"};
  try {
    for (std::string& view : reader.Views(task)) views.push_back(std::move(view));
  } catch (...) {  // has none to show then
    views.resize(2);
  }
  return views;
}

TaskAnswer OwnView(const Reader& reader, std::size_t task, std::string_view name,
                   std::string_view view) {
  std::string why = "something that is no exception";
  try {
    if (auto shown = reader.Show(task, view)) {
      return {200, ContentType(shown->content_type), std::move(shown->body)};
    }
    return PlainAnswer(404,
                       fmt::format("task {} has no view {}: it has {}", EscapeControl(name),
                                   EscapeControl(view), fmt::join(ViewsOf(reader, task), ", ")));
  } catch (const std::exception& error) {
    why = EscapeControl(error.what());
  } catch (...) {
  }
  return PlainAnswer(500, fmt::format("task {} threw: {}", EscapeControl(name), why));
}

}  // namespace

TaskViews ViewsOf(const Reader& reader) {
  TaskViews views;
  for (std::size_t i = 0; i < reader.task_count(); ++i) {
    views[reader.task_name(i)] = ViewsOf(reader, i);
  }
  return views;
}

TaskAnswer ShowTask(const Reader& reader, std::string_view name, std::string_view view) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < reader.task_count(); ++i) {
    if (reader.task_name(i) != name) {
      names.push_back(EscapeControl(reader.task_name(i)));
    } else if (view == "json") {
      return {200, std::string(kApplicationJson), TaskSummaryJson(reader, i)};
    } else if (view == "text") {
      return {200, std::string(kTextPlain), TaskSummaryText(reader, i)};
    } else {
      return OwnView(reader, i, name, view);
    }
  }
  return PlainAnswer(
      404, fmt::format("no task {}: there are {}", EscapeControl(name), fmt::join(names, ", ")));
}

}  // namespace rivulet
