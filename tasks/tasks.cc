#include "tasks/tasks.h"

#include "queuereader/task_registry.h"
#include "tasks/bandit.h"
#include "tasks/chance.h"
#include "tasks/count.h"
#include "tasks/distinct.h"
#include "tasks/drift.h"
#include "tasks/ewma.h"
#include "tasks/graph.h"
#include "tasks/histogram.h"
#include "tasks/keep.h"
#include "tasks/moments.h"
#include "tasks/print.h"
#include "tasks/quantiles.h"
#include "tasks/rate.h"
#include "tasks/regression.h"
#include "tasks/statistic_task.h"
#include "tasks/sum.h"
#include "tasks/top.h"

namespace rivulet {

void RegisterTasks(TaskRegistry* registry) {
  registry->Add<BanditTask>("bandit");
  registry->Add<CountTask>("count");
  registry->Add("distinct", &MakeStatisticTask<&MakeDistinctForm>);
  registry->Add("drift", &MakeStatisticTask<&MakeDriftForm>);
  registry->Add("ewma", &MakeStatisticTask<&MakeEwmaForm>);
  registry->Add<FailTask>("fail");
  registry->Add<GraphTask>("graph");
  registry->Add("histogram", &MakeStatisticTask<&MakeHistogramForm>);
  registry->Add<KeepTask>("keep");
  registry->Add("moments", &MakeStatisticTask<&MakeMomentsForm>);
  registry->Add<PrintTask>("print");
  registry->Add("quantiles", &MakeStatisticTask<&MakeQuantilesForm>);
  registry->Add("rate", &MakeStatisticTask<&MakeRateForm>);
  registry->Add("regression", &MakeStatisticTask<&MakeRegressionForm>);
  registry->Add<SampleTask>("sample");
  registry->Add<SumTask>("sum");
  registry->Add("top", &MakeStatisticTask<&MakeTopForm>);
}

}  // namespace rivulet
