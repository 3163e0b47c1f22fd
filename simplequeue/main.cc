// simplequeue: an HTTP message queue. See simplequeue(1).
#include <memory>

#include "http/daemon.h"
#include "simplequeue/api.h"
#include "simplequeue/durability.h"

namespace {

constexpr char kName[] = "simplequeue";
constexpr char kExamples[] = R"(Examples:
  simplequeue --port=8080
  curl -d 'a message' http://127.0.0.1:8080/put
  curl http://127.0.0.1:8080/get
  printf 'one\ntwo\n' | curl --data-binary @- 'http://127.0.0.1:8080/mput?queue=jobs'
  curl 'http://127.0.0.1:8080/mget?queue=jobs&items=10'
  curl -i 'http://127.0.0.1:8080/get?lease=30s&wait=20s'      # and, when the work is done:
  curl 'http://127.0.0.1:8080/finish?receipt=RECEIPT'         # X-Receipt of the answer
  simplequeue --port=8080 --data-path=/var/lib/simplequeue    # keeps all of it on disk
)";

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;
  Options options(kName, "keeps messages until somebody takes them, in named queues, over HTTP");
  QueueOptions queue;
  JournalOptions durable;
  DaemonOptions common;
  AddQueueOptions(&options, &queue);
  AddDurabilityOptions(&options, &durable);
  AddDaemonOptions(&options, &common);
  options.Epilog(kExamples);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (Status s = CheckQueueOptions(queue); !s.ok()) return options.Fail(s.message());
  if (Status s = CheckJournalOptions(durable); !s.ok()) return options.Fail(s.message());
  if (Status s = CheckDaemonOptions(common); !s.ok()) return options.Fail(s.message());
  if (Status s = PrepareProcess(kName, common); !s.ok()) return FailStart(kName, s);

  Daemon daemon(kName, common);
  std::unique_ptr<Durability> durability;
  if (!durable.data_path.empty()) {
    durability = std::make_unique<Durability>(durable, daemon.loop(), daemon.clock());
  }
  QueueApi api(daemon, queue, durability.get());
  if (Status s = api.OpenOverflowLog(); !s.ok()) return FailStart(kName, s);
  api.Install();
  daemon.OnBound([&api] { return api.Recover(); });
  daemon.OnHangup([&api] { api.Reopen(); });
  daemon.OnDraining([&api] { api.EndPolls(); });
  daemon.OnDrained([&api] { return api.Close(); });
  return daemon.Run();
}
