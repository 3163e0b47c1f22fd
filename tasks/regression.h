// regression:x=PATH,y=PATH: the straight line y = intercept + slope x through two numbers of each
// message by least squares, with their covariance and correlation.
//
// Messages where one is absent, no number, or beyond 1e70 are skipped. See algorithms/regression.h,
// and tasks/statistic_task.h for by= and every=. Not shared: sums that a store could add up lose
// the digits.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeRegressionForm(TaskArgs& args);

}  // namespace rivulet
