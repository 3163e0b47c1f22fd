// pubsub: sends what is published to everyone who listens. See pubsub(1).
#include <malloc.h>

#include "http/daemon.h"
#include "pubsub/api.h"

namespace {

constexpr char kName[] = "pubsub";
constexpr char kExamples[] = R"(Examples:
  pubsub --port=8080
  curl -N 'http://127.0.0.1:8080/sub?multipart=0'
  curl -d 'a message' http://127.0.0.1:8080/pub
  printf 'one\ntwo\n' | curl --data-binary @- 'http://127.0.0.1:8080/pub?topic=clicks'
  curl http://127.0.0.1:8080/clients
)";
// Blocks of messages above this size go back to the system as soon as the slowest subscriber has
// read them, instead of staying in the heap.
constexpr int kMappedBytes = 200 * 1024;

}  // namespace

int main(int argc, char** argv) {
  using namespace rivulet;
  mallopt(M_MMAP_THRESHOLD, kMappedBytes);
  Options options(kName, "sends every message published to everyone who listens, over HTTP");
  PubsubOptions pubsub;
  DaemonOptions common;
  AddPubsubOptions(&options, &pubsub);
  AddDaemonOptions(&options, &common);
  options.Epilog(kExamples);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (Status s = CheckDaemonOptions(common); !s.ok()) return options.Fail(s.message());
  if (Status s = PrepareProcess(kName, common); !s.ok()) return FailStart(kName, s);

  Daemon daemon(kName, common);
  PubsubApi api(daemon, pubsub);
  api.Install();
  return daemon.Run();
}
