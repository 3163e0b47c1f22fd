// ewma:field=PATH[,minus=PATH][,half_life=60s][,time=PATH]: mean and deviation of a number where
// what is old counts less, by half every half-life.
//
// Times are those of arrival, or with `time` a field's seconds since 1970, in any order. The mean
// stays as it is while nothing comes. Messages where a field is absent or no number, or the number
// beyond 1e70, or with a time more than a minute ahead of the clock (it would leave no weight to
// all others), are skipped. See algorithms/ewma.h, and tasks/statistic_task.h for by= and every=.
// Not shared: one reader's weights are as of its newest time.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeEwmaForm(TaskArgs& args);

}  // namespace rivulet
