// top:field=PATH[,k=10]: the k most frequent values of a string or a number.
//
// Memory is bounded however many values there are: 1,000 of them are counted, or 20 k where that
// is more; by key 100, or 5 k. While there are no more each count is exact; else it is too high by
// at most its `error` (algorithms/top_k.h). Messages where the field is absent, of another type, or
// longer than 4 KiB are skipped, and counted so. See tasks/statistic_task.h for by=, every=,
// store=. (The number of keys shown is top=.)
//
// Shared: a sorted set of the values, at most as many; its errors are not told. By key: some 120
// bytes a value, each.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeTopForm(TaskArgs& args);

}  // namespace rivulet
