#include "queuereader/report/reports.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/log.h"
#include "queuereader/report/summary.h"

namespace rivulet {
namespace {

constexpr Duration kHeartbeatPeriod = std::chrono::seconds(10);
// Of a reader without --task-timeout: a message that takes longer is taken for a hang.
constexpr Duration kHeartbeatPatience = std::chrono::minutes(1);

}  // namespace

Reports::Reports(EventLoop& loop, const Clock& clock, const ReaderOptions& options, Runner& runner,
                 const Source& source)
    : clock_(clock),
      runner_(runner),
      heartbeat_file_(options.heartbeat_file),
      heartbeat_patience_(options.task_timeout > Duration::zero() ? options.task_timeout
                                                                  : kHeartbeatPatience),
      stats_(loop, [this] { LogProgress(); }),
      heartbeat_(loop, [this] { TouchHeartbeat(); }),
      last_(clock.Now()),
      last_messages_(runner.Stats().reader.counts.messages) {
  if (options.progress) {
    progress_ = std::make_unique<ReaderProgress>(loop, clock, runner, source);
  }
  if (options.stats_interval > Duration::zero()) stats_.StartEvery(options.stats_interval);
  if (heartbeat_file_.empty()) return;
  TouchHeartbeat();
  heartbeat_.StartEvery(kHeartbeatPeriod);
}

void Reports::End() {
  progress_.reset();
  stats_.Cancel();
  heartbeat_.Cancel();
}

void Reports::LogProgress() {
  // Between two messages, where the tasks can say what they have found.
  auto line = std::make_shared<std::string>();
  const MonoTime now = clock_.Now();
  const double seconds = std::chrono::duration<double>(now - last_).count();
  last_ = now;
  runner_.Inspect(
      [this, line, seconds](const Reader& reader) {
        const std::uint64_t messages = reader.counts().messages;
        const double rate =
            seconds > 0 ? static_cast<double>(messages - last_messages_) / seconds : 0;
        last_messages_ = messages;
        *line = ProgressLine(reader, rate);
      },
      [line] { LogInfo("{}", *line); });
}

void Reports::TouchHeartbeat() const {
  // A supervisor looks at the file for signs of work, not of the loop's life alone.
  if (runner_.Stats().busy > heartbeat_patience_) return;
  const int fd = open(heartbeat_file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const bool touched = fd >= 0 && futimens(fd, nullptr) == 0;
  if (!touched) {
    LogWarning("{}", IoError("cannot touch --heartbeat-file " + heartbeat_file_, errno).message());
  }
  if (fd >= 0) close(fd);
}

bool PrintSummary(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

}  // namespace rivulet
