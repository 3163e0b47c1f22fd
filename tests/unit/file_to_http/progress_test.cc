#include "file_to_http/progress.h"

#include <doctest/doctest.h>

using namespace rivulet;
using std::chrono::seconds;

TEST_CASE("progress: the line tells how much is done, how fast, and what is left") {
  ProgressFigures figures;
  figures.messages = 1000;
  figures.fraction = 0.509;
  figures.left = seconds(200);
  figures.messages_a_second = 199.6;
  figures.bytes_a_second = 1.25e6;
  CHECK(ProgressLine(figures, 200) ==
        "[##########..........]  50%  1000 messages  200/s  1.2 MB/s  3 min 20 s left");
  figures.waiting = "waiting for the queue";
  CHECK(ProgressLine(figures, 200).ends_with(" left  waiting for the queue"));
}

TEST_CASE("progress: where the end is not known nothing is said of it") {
  ProgressFigures figures;
  figures.messages = 12;
  CHECK(ProgressLine(figures, 200) == "12 messages  0/s  0.0 MB/s");
}

TEST_CASE("progress: the line is no wider than the terminal, and holds nothing that moves it") {
  ProgressFigures figures;
  figures.fraction = 1;
  CHECK(ProgressLine(figures, 30).size() == 30);
  figures.waiting = "a\nb\x1b[2J";
  const auto line = ProgressLine(figures, 500);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\x1b') == std::string::npos);
}
