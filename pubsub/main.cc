// pubsub: sends what is published to everyone who listens. See pubsub(1).
#include <malloc.h>

#include <memory>
#include <random>

#include "http/daemon.h"
#include "pubsub/api.h"
#include "pubsub/durability.h"
#include "pubsub/republish.h"

namespace {

constexpr char kName[] = "pubsub";
constexpr char kExamples[] = R"(Examples:
  pubsub --port=8080
  curl -N 'http://127.0.0.1:8080/sub?multipart=0'
  curl -d 'a message' http://127.0.0.1:8080/pub
  printf 'one\ntwo\n' | curl --data-binary @- 'http://127.0.0.1:8080/pub?topic=clicks'
  tail -f app.log | curl -T - --no-buffer 'http://127.0.0.1:8080/pub?topic=log'
  curl http://127.0.0.1:8080/clients
  pubsub --port=8080 --data-path=/var/lib/pubsub              # keeps the past on disk
  curl -N 'http://127.0.0.1:8080/sub?topic=clicks,log&format=lines&since=1h'
  curl 'http://127.0.0.1:8080/sub?format=lines&since=earliest&until=now'
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
  JournalOptions durable;
  RepublishOptions republish;
  DaemonOptions common;
  AddPubsubOptions(&options, &pubsub);
  AddTopicDurabilityOptions(&options, &durable);
  AddRepublishOptions(&options, &republish);
  AddDaemonOptions(&options, &common);
  options.Epilog(kExamples);
  if (const auto code = options.Parse(argc, argv)) return *code;
  if (Status s = CheckPubsubOptions(pubsub); !s.ok()) return options.Fail(s.message());
  if (Status s = CheckJournalOptions(durable); !s.ok()) return options.Fail(s.message());
  if (Status s = CheckRepublishOptions(republish); !s.ok()) return options.Fail(s.message());
  if (Status s = CheckDaemonOptions(common); !s.ok()) return options.Fail(s.message());
  if (Status s = PrepareProcess(kName, common); !s.ok()) return FailStart(kName, s);
  pubsub.max_body_bytes = common.max_body_bytes;

  Daemon daemon(kName, common);
  std::unique_ptr<TopicDurability> durability;
  if (!durable.data_path.empty()) {
    durability = std::make_unique<TopicDurability>(durable, RetentionOf(pubsub, true),
                                                   daemon.loop(), daemon.clock());
  }
  PubsubApi api(daemon, pubsub, durability.get());
  api.Install();
  daemon.OnBound([&] {
    if (Status s = api.Recover(); !s.ok() || republish.pubsub_urls.empty()) return s;
    const auto config = MakeRepublishConfig(republish, durable.data_path, std::random_device()());
    return config.ok() ? api.Republish(*config, republish.topic) : config.status();
  });
  daemon.OnDraining([&api] { api.StopRepublishing(); });
  daemon.OnDrained([&api] { return api.Close(); });
  return daemon.Run();
}
