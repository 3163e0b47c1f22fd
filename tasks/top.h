// top:field=PATH[,k=N]: the N most frequent values of a string or a number.
//
// Memory is bounded however many values there are: see algorithms/top_k.h for the error. Messages
// where the field is absent or of another type are skipped, and counted so.
#pragma once

#include "algorithms/top_k.h"
#include "queuereader/task.h"

namespace rivulet {

class TopTask final : public Task {
 public:
  explicit TopTask(TaskArgs& args);
  Outcome Run(const Message& message) override;
  void Summarize(Summary& summary) const override;

 private:
  std::string field_;
  std::size_t k_;
  TopK values_;
  std::uint64_t counted_ = 0;
  std::uint64_t skipped_ = 0;
};

}  // namespace rivulet
