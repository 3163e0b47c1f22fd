// The tasks that ship with queuereader.
#pragma once

namespace rivulet {

class TaskRegistry;

/// print, count, moments, top; each is described in its own .cc and in queuereader(1).
void RegisterTasks(TaskRegistry* registry);

}  // namespace rivulet
