// histogram:field=PATH[,minus=PATH],low=A,high=B[,buckets=50]: how often a number was in each of so
// many spans of equal width. Others of scale=:
//
//   histogram:field=PATH,scale=log[,low=0.001][,high=1e6][,per_decade=10]    of equal ratio
//   histogram:field=PATH,scale=integer                                       each integer exactly
//
// A value at a bound is in the bucket above. What is below `low` counts as `underflow`, what is not
// below `high` as `overflow`. Of integers at most 65,536 different ones (by key: 4,096) are held,
// others are overflow; shared it is those from -32768 to 32767. What is absent or no number is
// skipped. See algorithms/histogram.h, and tasks/statistic_task.h for by=, every=, store=.
//
// Shared: a hash, a bucket's index (from 0; or the integer) to its count, with `underflow` and
// `overflow`. By key: 8 bytes a bucket each.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeHistogramForm(TaskArgs& args);

}  // namespace rivulet
