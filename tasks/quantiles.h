// quantiles:field=PATH[,minus=PATH][,q=0.5/0.9/0.99][,accuracy=0.01]: the values that so many of a
// number's are at or below, each within that relative error of the true one.
//
// `q` are up to 20 numbers from 0 to 1, `accuracy` is from 0.001 to 0.5. Where the values span so
// much (at 0.01 more than 17 powers of ten) that accuracy is lost for those nearest to zero, the
// summary says so: `collapsed`. What is absent or no number is skipped. See algorithms/quantiles.h,
// and tasks/statistic_task.h for by=, every=, store=.
//
// Shared: a hash, a bucket's index (QuantileScale in algorithms/quantiles.h) to its count, with
// `min` and `max`. By key: 8 bytes a bucket that is used, of at most 2,048 a sign.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeQuantilesForm(TaskArgs& args);

}  // namespace rivulet
