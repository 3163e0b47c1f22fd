// The frame of all tasks that compute a statistic. Beside what each of them takes (see its header):
//
//   by=PATH           a state a key: a string's text, or a number
//   max_keys=10000    at most so many keys (to 1,000,000); messages of others are `other_keys`
//   top=100           so many keys are shown, those of most messages (to 10,000)
//   every=10s         emits the results so often, to
//   output=NAME       an output of the reader (--output=NAME=URL)
//   store=local       the task's own state: exactly once by the reader's checkpoint
//   store=shared      the reader's store (--store), with other readers (tasks/shared_statistics.h)
//   prefix=TEXT       of the keys there; default: the task's name=, or what it is asked for by
//
// Messages that lack what is needed count as `skipped`, those with keys longer than 1 KiB as
// `bad_keys`. The summary is that of the state; with by= it is a table `by`, a row a key.
//
// Results are emitted as {"task":NAME,"time":SECONDS,"results":{…}}, with the first message after
// each period: a silent stream emits nothing. A period begins with the first message after the
// start. SECONDS are since 1970.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queuereader/task.h"
#include "tasks/local_statistics.h"
#include "tasks/shared_statistics.h"
#include "tasks/statistic.h"

namespace rivulet {

class StatisticTask final : public Task {
 public:
  /// `form` has taken its own arguments.
  StatisticTask(TaskArgs& args, std::unique_ptr<StatisticForm> form);

  Outcome Run(const Message& message, Context& context) override;
  std::size_t batch_size() const override { return shared_ ? SharedStatistics::kBatch : 1; }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override;
  std::string Save() const override;
  Status Load(std::string_view saved) override;
  void Summarize(Summary& summary) const override;
  std::vector<std::string> views() const override;
  std::optional<View> Show(std::string_view view) const override;

 private:
  enum class Read { kRead, kSkipped, kBadKey };

  void TakeStore(TaskArgs& args);
  /// What the state depends on.
  std::string Arguments() const;
  Read ReadMessage(const Message& message, WallTime now, Observation* observation);
  void UpdateLocal(const Message& message, Context& context);
  void UpdateShared(const Message& message, WallTime now);
  void EmitEvent(const Statistic& statistic, Context& context);
  /// True once a period.
  bool PeriodIsOver(WallTime now);
  std::string Results(WallTime now) const;
  std::string EmittedHead(WallTime now) const;
  StatisticsFound Find(std::size_t most) const;

  std::unique_ptr<StatisticForm> form_;
  std::string by_;  // empty: one state
  std::size_t max_keys_ = 0;
  std::size_t top_ = 0;
  Duration every_{};  // zero: nothing is emitted
  std::string output_;
  std::string name_;
  LocalStatistics local_;
  std::unique_ptr<SharedStatistics> shared_;
  std::optional<WallTime> period_;  // its beginning
  std::string key_;                 // of the message in hand
  std::string number_;              // its text, where the key is a number
};

/// For TaskRegistry::Add().
template <std::unique_ptr<StatisticForm> (*kMakeForm)(TaskArgs& args)>
Result<std::unique_ptr<Task>> MakeStatisticTask(TaskArgs& args) {
  return std::unique_ptr<Task>(std::make_unique<StatisticTask>(args, kMakeForm(args)));
}

}  // namespace rivulet
