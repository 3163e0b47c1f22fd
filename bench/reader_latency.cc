// A queue reader that measures how long each message took to reach a task: `sent` in the message is
// the time it was due to be put, in nanoseconds of the monotonic clock. Ends with a summary, as
// --exit-when-empty and --summary-format=json of queuereader(1) say.
#include <algorithm>
#include <chrono>
#include <vector>

#include "queuereader/program.h"
#include "queuereader/task.h"

namespace {

class Latency final : public rivulet::Task {
 public:
  rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context&) override {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto sent = message.Number("sent");
    if (!sent) return rivulet::Outcome::Drop();
    seen_.push_back(std::chrono::duration<double, std::milli>(now).count() - *sent / 1e6);
    return rivulet::Outcome::Done();
  }
  void Summarize(rivulet::Summary& summary) const override {
    std::vector<double> sorted = seen_;
    std::sort(sorted.begin(), sorted.end());
    const auto at = [&sorted](std::size_t percent) {
      return sorted.empty() ? 0
                            : sorted[std::min(sorted.size() - 1, sorted.size() * percent / 100)];
    };
    summary.Count("messages", sorted.size());
    summary.Number("p50_ms", at(50));
    summary.Number("p99_ms", at(99));
    summary.Number("max_ms", at(100));
  }

 private:
  std::vector<double> seen_;
};

}  // namespace

int main(int argc, char** argv) {
  rivulet::ReaderProgram program("reader_latency", "measure how long messages took to a task");
  program.Add<Latency>("latency");
  return program.Run(argc, argv);
}
