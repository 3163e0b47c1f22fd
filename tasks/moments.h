// moments:field=PATH[,minus=PATH]: count, mean, deviation, skewness and kurtosis of a number.
//
// With `minus` it is the difference of two numbers of the message: moments:field=t,minus=hc is the
// age of a click's link. Messages where one is absent, no number, or beyond 1e70 (whose fourth
// powers would leave nothing but infinities) are skipped, and counted so. See
// algorithms/moments.h for how exact it is, and tasks/statistic_task.h for by=, every=, store=.
//
// Shared: a hash with the fields n, mean, m2, m3, m4, min, max. By key: some 200 bytes each.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeMomentsForm(TaskArgs& args);

}  // namespace rivulet
