// The longest message: a task that queuereader loads with --task=./my_task.so
#include <algorithm>

#include "queuereader/task.h"

class Longest : public rivulet::Task {
 public:
  rivulet::Outcome Run(const rivulet::Message& message) override {
    longest_ = std::max(longest_, message.text().size());
    return rivulet::Outcome::Done();
  }
  void Summarize(rivulet::Summary& summary) const override {
    summary.Count("longest_bytes", longest_);
  }

 private:
  std::size_t longest_ = 0;
};

RIVULET_TASK(Longest)
