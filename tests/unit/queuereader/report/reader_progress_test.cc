#include "queuereader/report/reader_progress.h"

#include <doctest/doctest.h>

#include "queuereader/runner/runner.h"

namespace rivulet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

RunnerStats Running() {
  RunnerStats stats;
  stats.state = "running";
  stats.reader.counts.messages = 1000;
  return stats;
}

TEST_CASE("reader progress: of a queue: messages, rate, and what is not as it should be") {
  RunnerStats stats = Running();
  ReaderPace pace;
  pace.messages_a_second = 199.6;
  CHECK(ReaderProgressLine(stats, pace, 200) == "1000 messages  200/s");
  stats.reader.tasks.resize(2);
  stats.reader.tasks[0].name = "a";
  stats.reader.tasks[0].counts.failed = 2;
  stats.reader.tasks[1].name = "x";
  stats.reader.tasks[1].counts.failed = 1;
  stats.reader.tasks[1].backoff = milliseconds(3190);
  stats.reader.counts.given_up = 4;
  stats.ledger.in_hand = 100;
  stats.state = "backing off";
  CHECK(ReaderProgressLine(stats, pace, 200) ==
        "1000 messages  200/s  3 failed  4 given up  100 in hand  backing off 3.2 s on task x");
}

TEST_CASE("reader progress: of a file: a bar, and when it will be done") {
  ReaderPace pace;
  pace.fraction = 0.509;
  CHECK(ReaderProgressLine(Running(), pace, 200) ==
        "[##########..........]  50%  1000 messages  0/s");
  pace.fraction_a_second = 0.1;
  CHECK(ReaderProgressLine(Running(), pace, 200).ends_with("  4 s left"));
  pace.fraction = 1;
  CHECK(ReaderProgressLine(Running(), pace, 200).find("left") == std::string::npos);
}

TEST_CASE("reader progress: why nothing moves is said") {
  RunnerStats stats = Running();
  stats.state = "source away";
  stats.source_status = {StatusCode::kUnavailable, "refused"};
  CHECK(ReaderProgressLine(stats, {}, 200).ends_with("  source away: refused"));
  stats.current = CrashMark::Current{"slow", "", {}};
  stats.busy = seconds(12);
  CHECK(ReaderProgressLine(stats, {}, 200).ends_with("  task slow at work for 12 s"));
}

TEST_CASE("reader progress: the line fits, ends between characters, and moves nothing") {
  RunnerStats stats = Running();
  stats.state = "aä\n\x1b[2J";
  const std::string line = ReaderProgressLine(stats, {}, 500);
  CHECK(line.find_first_of("\n\x1b") == std::string::npos);
  const std::size_t inside = line.find("ä") + 1;
  CHECK(ReaderProgressLine(stats, {}, inside) == line.substr(0, inside - 1));
  CHECK(ReaderProgressLine(stats, {}, 7) == "1000 me");
}

}  // namespace
}  // namespace rivulet
