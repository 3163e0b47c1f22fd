#include "tasks/tasks.h"

#include "queuereader/task_registry.h"
#include "tasks/count.h"
#include "tasks/moments.h"
#include "tasks/print.h"
#include "tasks/top.h"

namespace rivulet {

void RegisterTasks(TaskRegistry* registry) {
  registry->Add<CountTask>("count");
  registry->Add<MomentsTask>("moments");
  registry->Add<PrintTask>("print");
  registry->Add<TopTask>("top");
}

}  // namespace rivulet
