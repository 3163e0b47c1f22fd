// rate:[field=PATH][,window=60s][,time=PATH]: messages a second over the last minute, or how much a
// second a number adds up to.
//
// The window slides by sixtieths of it; what is whole within it counts exactly (algorithms/rate.h).
// Times are those of arrival, and the window ends now; or with `time` a field's seconds since 1970,
// and the window ends with the newest message: older ones than the window count as `late`.
// Messages where a field is absent, no number or negative, or a time more than a minute ahead of
// the clock (it would end the window for all others), are skipped. See tasks/statistic_task.h for
// by=, every=, store=.
//
// Shared: a hash a window, at KEY|N (N = seconds / window), slot (seconds * 60 / window) to count
// or sum, gone three windows later. Read as of the newest message of the reader with `time`. By
// key: some 600 bytes each.
#pragma once

#include <memory>

#include "tasks/statistic.h"

namespace rivulet {

std::unique_ptr<StatisticForm> MakeRateForm(TaskArgs& args);

}  // namespace rivulet
