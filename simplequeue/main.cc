// simplequeue: an HTTP message queue. See simplequeue(1).
#include "http/daemon.h"
#include "simplequeue/api.h"

namespace {

constexpr char kName[] = "simplequeue";
constexpr char kExamples[] = R"(Examples:
  simplequeue --port=8080
  curl -d 'a message' http://127.0.0.1:8080/put
  curl http://127.0.0.1:8080/get
  printf 'one\ntwo\n' | curl --data-binary @- 'http://127.0.0.1:8080/mput?queue=jobs'
  curl 'http://127.0.0.1:8080/mget?queue=jobs&items=10'
)";

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;
  Options options(kName, "keeps messages until somebody takes them, in named queues, over HTTP");
  QueueOptions queue;
  DaemonOptions common;
  AddQueueOptions(&options, &queue);
  AddDaemonOptions(&options, &common);
  options.Epilog(kExamples);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (Status s = CheckQueueOptions(queue); !s.ok()) return options.Fail(s.message());
  if (Status s = CheckDaemonOptions(common); !s.ok()) return options.Fail(s.message());
  if (Status s = PrepareProcess(kName, common); !s.ok()) return FailStart(kName, s);

  Daemon daemon(kName, common);
  QueueApi api(daemon, queue);
  if (Status s = api.Open(); !s.ok()) return FailStart(kName, s);
  api.Install();
  daemon.OnHangup([&api] { api.Reopen(); });
  daemon.OnDrained([&api] { return api.FlushToOverflowLog(); });
  return daemon.Run();
}
