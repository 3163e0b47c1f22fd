// The tasks that ship with queuereader.
#pragma once

namespace rivulet {

class TaskRegistry;

/// print, count, moments, top, sum, keep, sample, fail; each is described at the top of its header
/// and in queuereader(1).
void RegisterTasks(TaskRegistry* registry);

}  // namespace rivulet
