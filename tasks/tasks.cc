#include "tasks/tasks.h"

#include "queuereader/task_registry.h"
#include "tasks/chance.h"
#include "tasks/count.h"
#include "tasks/keep.h"
#include "tasks/moments.h"
#include "tasks/print.h"
#include "tasks/sum.h"
#include "tasks/top.h"

namespace rivulet {

void RegisterTasks(TaskRegistry* registry) {
  registry->Add<CountTask>("count");
  registry->Add<FailTask>("fail");
  registry->Add<KeepTask>("keep");
  registry->Add<MomentsTask>("moments");
  registry->Add<PrintTask>("print");
  registry->Add<SampleTask>("sample");
  registry->Add<SumTask>("sum");
  registry->Add<TopTask>("top");
}

}  // namespace rivulet
