// The longest message: a task that queuereader loads with --task=./my_task.so
#include <algorithm>
#include <cstdlib>
#include <string>

#include "queuereader/task.h"

class Longest : public rivulet::Task {
 public:
  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context&) override {
    longest_ = std::max(longest_, message.text().size());
    return rivulet::Outcome::Done();
  }
  // With --checkpoint-dir the task goes on from there, whatever ended the reader.
  std::string Save() const override { return std::to_string(longest_); }
  rivulet::Status Load(std::string_view saved) override {
    longest_ = std::strtoull(std::string(saved).c_str(), nullptr, 10);
    return {};
  }
  void Summarize(rivulet::Summary& summary) const override {
    summary.Count("longest_bytes", longest_);
  }

 private:
  std::size_t longest_ = 0;
};

RIVULET_TASK(Longest)
