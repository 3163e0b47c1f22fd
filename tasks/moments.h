// moments:field=PATH[,minus=PATH]: count, mean, deviation, skewness and kurtosis of a number.
//
// With `minus` it is the difference of two numbers of the message: moments:field=t,minus=hc is the
// age of a click's link. Messages where one is absent or no number are skipped, and counted so.
#pragma once

#include "algorithms/moments.h"
#include "queuereader/task.h"

namespace rivulet {

class MomentsTask final : public Task {
 public:
  explicit MomentsTask(TaskArgs& args);
  Outcome Run(const Message& message, Context& context) override;
  std::string Save() const override;
  Status Load(std::string_view saved) override;
  void Summarize(Summary& summary) const override;

 private:
  /// What the state depends on: "field=t,minus=hc".
  std::string Arguments() const;

  std::string field_;
  std::string minus_;  // empty: nothing is taken off
  Moments moments_;
  std::uint64_t skipped_ = 0;
};

}  // namespace rivulet
