#include "queuereader/report/reader_progress.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/log.h"
#include "queuereader/runner/runner.h"
#include "queuereader/source/source.h"

namespace rivulet {
namespace {

constexpr Duration kShowEvery = std::chrono::milliseconds(250);
// A message that takes longer is told of.
constexpr Duration kLong = std::chrono::seconds(2);
// A fraction as a count that RecentRate takes.
constexpr double kFractionUnits = 1e12;

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

bool WritesTo(int fd, int terminal) {
  struct stat one {};
  struct stat other {};
  return isatty(fd) == 1 && fstat(fd, &one) == 0 && fstat(terminal, &other) == 0 &&
         one.st_rdev == other.st_rdev;
}

bool Prints(const ReaderStats& stats) {
  return std::ranges::any_of(stats.tasks, [](const auto& task) {
    return task.name == "print" || task.name.starts_with("print:");
  });
}

std::string StateText(const RunnerStats& stats) {
  if (stats.current && stats.busy >= kLong) {
    return fmt::format("task {} at work for {}", stats.current->task, RoughDuration(stats.busy));
  }
  if (stats.state == "running") return "";
  if (!stats.source_status.ok()) {
    return fmt::format("{}: {}", stats.state, stats.source_status.message());
  }
  const auto slowest = std::ranges::max_element(stats.reader.tasks, {},
                                                [](const auto& task) { return task.backoff; });
  const bool one = slowest != stats.reader.tasks.end() && slowest->backoff > Duration::zero();
  if (stats.state != "backing off" || !one) return stats.state;
  return fmt::format("backing off {:.1f} s on task {}", Seconds(slowest->backoff), slowest->name);
}

}  // namespace

std::string ReaderProgressLine(const RunnerStats& stats, const ReaderPace& pace,
                               std::size_t width) {
  std::string line;
  const auto to = std::back_inserter(line);
  if (pace.fraction >= 0) {
    fmt::format_to(to, "{} {:3.0f}%  ", ProgressBar(pace.fraction),
                   std::floor(std::min(pace.fraction, 1.0) * 100));
  }
  fmt::format_to(to, "{} messages  {:.0f}/s", stats.reader.counts.messages, pace.messages_a_second);
  const auto count = [&](std::uint64_t value, std::string_view what) {
    if (value > 0) fmt::format_to(to, "  {} {}", value, what);
  };
  std::uint64_t failed = 0;
  for (const auto& task : stats.reader.tasks) failed += task.counts.failed;
  count(failed, "failed");
  count(stats.reader.counts.given_up, "given up");
  count(stats.reader.counts.malformed, "malformed");
  count(stats.ledger.in_hand, "in hand");
  count(stats.held, "to be retried");
  if (pace.fraction >= 0 && pace.fraction < 1 && pace.fraction_a_second > 0) {
    const double left = (1 - pace.fraction) / pace.fraction_a_second;
    const auto seconds = static_cast<std::int64_t>(std::min(left, 1e9));
    fmt::format_to(to, "  {} left", RoughDuration(std::chrono::seconds(seconds)));
  }
  if (const std::string state = StateText(stats); !state.empty()) {
    line += "  " + EscapeControl(state);
  }
  if (line.size() <= width) return line;
  // Not in the middle of a character.
  while (width > 0 && (static_cast<unsigned char>(line[width]) & 0xC0) == 0x80) --width;
  line.resize(width);
  return line;
}

ReaderProgress::ReaderProgress(EventLoop& loop, const Clock& clock, const Runner& runner,
                               const Source& source)
    : clock_(clock),
      runner_(runner),
      source_(source),
      shared_(WritesTo(STDOUT_FILENO, STDERR_FILENO)),
      timer_(loop, [this] { Show(); }) {
  if (line_.shown()) timer_.StartEvery(kShowEvery);
}

void ReaderProgress::Show() {
  const MonoTime now = clock_.Now();
  const RunnerStats stats = runner_.Stats();
  if (shared_ && Prints(stats.reader)) return timer_.Cancel();
  messages_.Note(stats.reader.counts.messages, now);
  ReaderPace pace;
  pace.messages_a_second = messages_.a_second();
  pace.fraction = source_.fraction();
  if (pace.fraction >= 0) {
    fraction_.Note(static_cast<std::uint64_t>(pace.fraction * kFractionUnits), now);
    pace.fraction_a_second = fraction_.a_second() / kFractionUnits;
  }
  line_.Show(ReaderProgressLine(stats, pace, TerminalLine::width()));
}

}  // namespace rivulet
