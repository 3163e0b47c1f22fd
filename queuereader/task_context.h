// What a task reaches while it runs, and what it leaves: the reader's implementation of Context.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "queuereader/reader.h"
#include "queuereader/task.h"

namespace rivulet {

/// Thread: the one that runs tasks.
class TaskContext final : public Context {
 public:
  using Counters = std::vector<std::pair<std::string, std::uint64_t>>;
  static constexpr std::size_t kMaxCounters = 100;
  static constexpr std::size_t kMaxCounterBytes = 64;

  /// `surroundings` is borrowed.
  TaskContext(std::string task, const ReaderSurroundings& surroundings)
      : task_(std::move(task)), surroundings_(surroundings) {}

  /// A run of so many messages begins: `begun` by the clock; `now` stands in for the wall clock
  /// where there is none.
  void Begin(std::size_t messages, MonoTime begun, WallTime now) {
    messages_ = messages;
    begun_ = begun;
    now_ = now;
    emissions.clear();
    emissions_for.clear();
  }

  void Emit(std::string_view output, std::string_view message) override;
  void Count(std::string_view counter, std::uint64_t by) override;
  Store& store() override;
  WallTime now() const override;
  void Log(std::string_view line) override;
  void EmitFor(std::size_t place, std::string_view output, std::string_view message) override;

  /// Whether Count() takes it.
  static bool IsCounterName(std::string_view name);
  /// For a new counter beside so many others, and a place in a run of so many messages: what
  /// Count() and EmitFor() throw, std::invalid_argument.
  static void CheckNewCounter(std::string_view name, std::size_t others);
  static void CheckPlace(std::size_t place, std::size_t messages);

  std::vector<Emission> emissions;                              // of this run
  std::vector<std::pair<std::size_t, Emission>> emissions_for;  // of a message of it, by place
  Counters counters;

 private:
  Emission Made(std::string_view output, std::string_view message) const;

  const std::string task_;
  const ReaderSurroundings& surroundings_;
  std::size_t messages_ = 0;
  MonoTime begun_{};
  WallTime now_{};
};

}  // namespace rivulet
