#include "queuereader/task_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "base/log.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxShownBytes = 100;

std::string Names(const std::vector<std::string>& outputs) {
  std::string all;
  for (const std::string& name : outputs) all += (all.empty() ? "" : ", ") + name;
  return all.empty() ? "there is none" : "it must be one of " + all;
}

}  // namespace

Emission TaskContext::Made(std::string_view output, std::string_view message) const {
  const auto& outputs = surroundings_.outputs;
  auto found = std::find(outputs.begin(), outputs.end(), output);
  if (found == outputs.end()) {
    const std::string shown = EscapeControl(output.substr(0, kMaxShownBytes));
    throw std::invalid_argument(
        fmt::format("no output '{}': {}, or --output={}=URL given", shown, Names(outputs), shown));
  }
  return {static_cast<std::uint32_t>(found - outputs.begin()), std::string(message)};
}

void TaskContext::Emit(std::string_view output, std::string_view message) {
  emissions.push_back(Made(output, message));
}

void TaskContext::EmitFor(std::size_t place, std::string_view output, std::string_view message) {
  CheckPlace(place, messages_);
  emissions_for.emplace_back(place, Made(output, message));
}

void TaskContext::CheckPlace(std::size_t place, std::size_t messages) {
  if (place < messages) return;
  throw std::invalid_argument(
      fmt::format("place {} must be one of this run's messages, which are {}", place, messages));
}

bool TaskContext::IsCounterName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxCounterBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

void TaskContext::Count(std::string_view counter, std::uint64_t by) {
  for (auto& [name, value] : counters) {
    if (name == counter) {
      value += by;
      return;
    }
  }
  CheckNewCounter(counter, counters.size());
  counters.emplace_back(counter, by);
}

void TaskContext::CheckNewCounter(std::string_view name, std::size_t others) {
  if (!IsCounterName(name)) {
    throw std::invalid_argument(
        fmt::format("counter '{}' must be a name of 1 to {} letters, digits and '_'",
                    EscapeControl(name.substr(0, kMaxCounterBytes + 1)), kMaxCounterBytes));
  }
  if (others >= kMaxCounters) {
    throw std::invalid_argument(fmt::format(
        "counter '{}' is one more than the {} that a task may have", name, kMaxCounters));
  }
}

Store& TaskContext::store() {
  if (!surroundings_.store) throw std::logic_error("this reader has no store");
  return *surroundings_.store;
}

WallTime TaskContext::now() const {
  const Clock* clock = surroundings_.clock;
  // Asked late, it is still when the run began.
  return clock ? clock->WallNow() - (clock->Now() - begun_) : now_;
}

void TaskContext::Log(std::string_view line) { LogInfo("task {}: {}", task_, line); }

}  // namespace rivulet
