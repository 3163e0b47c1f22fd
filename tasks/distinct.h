// distinct:field=PATH[,precision=14]: how many different values a string or a number had.
//
// Exact to 1,024 values; then an estimate with a relative standard error of 1.04/sqrt(2^precision):
// 0.81 % of 14. `precision` is from 4 to 18; with by= the default is 10 (3.25 %, exact to 64
// values). Messages where the field is absent or of another type are skipped. See
// algorithms/hyperloglog.h, and tasks/statistic_task.h for by=, every=, store=.
//
// Shared: a Redis HyperLogLog (precision 14, whatever is asked for). By key: 2^precision bytes
// each, at most; in Redis 12 KiB.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeDistinctForm(TaskArgs& args);

}  // namespace rivulet
