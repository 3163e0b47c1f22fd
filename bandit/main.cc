// bandit: which item to show next, of what clicks and impressions have taught. See bandit(1).
#include "bandit/service.h"
#include "queuereader/runner/runner.h"
#include "queuereader/task_registry.h"
#include "tasks/tasks.h"

namespace {

constexpr char kName[] = "bandit";

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;
  TaskRegistry registry;
  RegisterTasks(&registry);
  Options options(kName, "answers which item to show next, drawn from what was learned of clicks");
  BanditConfig config;
  if (const auto code = ParseBanditConfig(&options, argc, argv, registry.names(), &config)) {
    return *code;
  }
  if (Status s = PrepareProcess(kName, config.daemon); !s.ok()) return FailStart(kName, s);

  Daemon daemon(kName, config.daemon);
  BanditService service(daemon, std::move(config));
  daemon.OnBound([&service] { return service.Open(); });
  daemon.OnDraining([&service] { service.OnDraining(); });
  daemon.OnDrained([&service] { return service.Close(); });
  daemon.CheckHealthBy([&service] { return service.health(); });
  const int status = daemon.Run();
  if (service.hung()) ExitAtOnce(1);
  if (service.refused()) return 2;
  return status;
}
