// top:field=PATH[,k=N]: the N most frequent values of a string or a number.
//
// Memory is bounded however many values there are: see algorithms/top_k.h for the error. Messages
// where the field is absent or of another type are skipped, and counted so. The view `svg` is a bar
// chart of them.
#pragma once

#include "algorithms/top_k.h"
#include "queuereader/task.h"

namespace rivulet {

class TopTask final : public Task {
 public:
  explicit TopTask(TaskArgs& args);
  Outcome Run(const Message& message, Context& context) override;
  std::string Save() const override;
  Status Load(std::string_view saved) override;
  void Summarize(Summary& summary) const override;
  std::vector<std::string> views() const override { return {"svg"}; }
  std::optional<View> Show(std::string_view view) const override;

 private:
  /// What the state depends on.
  std::string Arguments() const;

  std::string field_;
  std::size_t k_;
  std::uint64_t seed_;
  TopK values_;
  std::uint64_t counted_ = 0;
  std::uint64_t skipped_ = 0;
};

}  // namespace rivulet
