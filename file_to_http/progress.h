// How far it is, in one line (base/terminal_line.h shows it).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace rivulet {

/// What is told of.
struct ProgressFigures {
  std::uint64_t messages = 0;      // done with
  std::optional<double> fraction;  // of what there is, 0 to 1
  std::optional<Duration> left;    // until that is done
  double messages_a_second = 0;    // of late
  double bytes_a_second = 0;
  std::string waiting;  // for what, if for anything
};

/// "[####....]  50%  1000 messages  200/s  1.2 MB/s  5 s left  waiting for …", at most `width`
/// bytes; bytes that a terminal would act on are none.
std::string ProgressLine(const ProgressFigures& figures, std::size_t width);

}  // namespace rivulet
