// The tasks that ship with queuereader.
#pragma once

namespace rivulet {

class TaskRegistry;

/// print, count, sum, keep, sample, fail, graph, bandit, and the statistics
/// (tasks/statistic_task.h) moments, histogram, quantiles, distinct, top, rate, ewma, drift,
/// regression; each is described at the top of its header and in queuereader(1).
void RegisterTasks(TaskRegistry* registry);

}  // namespace rivulet
