#include "bandit/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bandit/api.h"
#include "bandit/file_arms.h"
#include "bandit/reader_arms.h"
#include "bandit/redis_arms.h"
#include "bandit/stats.h"
#include "base/log.h"
#include "base/units.h"
#include "queuereader/reader_host.h"
#include "store/store_url.h"
#include "tasks/tasks.h"

namespace rivulet {
namespace {

constexpr Duration kTooLong = std::chrono::minutes(1);
constexpr char kHung[] =
    "a task hangs, and nothing is learned: the last known arms are answered until this process is "
    "started again, which it must be";
constexpr char kEnded[] =
    "learning has ended, for a reason that the log tells: the last known arms are answered until "
    "this process is started again, which it must be";
// Behind the reader's own deadline, which settles what it can.
constexpr Duration kBehindDeadline = std::chrono::milliseconds(200);

}  // namespace

struct BanditService::Impl {
  Impl(Daemon& its_daemon, BanditConfig its_config)
      : daemon(its_daemon), config(std::move(its_config)) {}

  Status OpenReader();
  Status OpenArms();
  void OnReaderEnd();
  void OnHang();
  void OnDraining();
  Status AwaitReader();

  Daemon& daemon;
  BanditConfig config;
  bool refused = false;
  bool stopping = false;
  bool closing = false;  // the loop runs for the reader alone
  MonoTime stop_by{};
  bool hung = false;
  std::unique_ptr<ReaderHost> reader;  // nullptr: somebody else learns
  std::unique_ptr<ArmsSource> arms;
  std::unique_ptr<BanditApi> api;
  std::unique_ptr<BanditStats> stats;
};

Status BanditService::Impl::OpenReader() {
  TaskRegistry registry;
  RegisterTasks(&registry);
  MakePathsAbsolute(&config.reader);
  auto opened = ReaderHost::Open(daemon.loop(), daemon.clock(),
                                 {.program = "bandit",
                                  .registry = &registry,
                                  .options = config.reader,
                                  .on_end = [this] { OnReaderEnd(); },
                                  .exit_process = [this](int) { OnHang(); },
                                  .token_option = "source-auth-token-file"});
  if (!opened.ok()) return opened.status();
  reader = std::move(*opened);
  return {};
}

void BanditService::Impl::OnReaderEnd() {
  if (closing) return daemon.loop().Stop();
  if (!stopping) LogError("{}", kEnded);
}

void BanditService::Impl::OnHang() {
  hung = true;
  if (closing) return daemon.loop().Stop();
  LogError("{}", kHung);
}

// Beside the last answers: both have the same time.
void BanditService::Impl::OnDraining() {
  stopping = true;
  stop_by = daemon.clock().Now() + config.daemon.drain_timeout + kBehindDeadline;
  if (reader != nullptr && !reader->ended()) reader->Stop();
}

Status BanditService::Impl::AwaitReader() {
  closing = true;
  const MonoTime now = daemon.clock().Now();
  Timer deadline(daemon.loop(), [this] { OnHang(); });
  deadline.Start(std::max(stop_by - now, Duration::zero()));
  // Somebody else may have stopped the loop before it ran.
  while (!reader->ended() && !hung) daemon.loop().Run();
  if (!hung) return {};
  return {StatusCode::kUnavailable,
          fmt::format("learning did not end within --drain-timeout {}: the message in hand, and "
                      "what no checkpoint holds, comes again",
                      FormatDuration(config.daemon.drain_timeout))};
}

Status BanditService::Impl::OpenArms() {
  const ArmsReaderConfig reading = {
      .keys = config.keys, .features = ContextSize(config.api), .refresh = config.refresh};
  EventLoop& loop = daemon.loop();
  const Clock& clock = daemon.clock();
  if (config.store_is_redis()) {
    auto address = OpenRedisUrl(config.store, config.store_password_file);
    if (!address.ok()) return address.status();
    arms = std::make_unique<RedisArms>(loop, clock, std::move(*address), reading);
  } else if (reader != nullptr) {
    arms = std::make_unique<ReaderArms>(loop, clock, reader->runner(), reader->store(), reading);
  } else {
    arms = std::make_unique<FileArms>(loop, clock, config.store, reading);
  }
  return {};
}

BanditService::BanditService(Daemon& daemon, BanditConfig config)
    : impl_(std::make_unique<Impl>(daemon, std::move(config))) {}
BanditService::~BanditService() = default;

Status BanditService::Open() {
  Impl& service = *impl_;
  Status status = service.config.learns() ? service.OpenReader() : Status();
  if (status.ok()) status = service.OpenArms();
  service.refused = status.code() == StatusCode::kInvalidArgument;
  if (!status.ok()) return status;
  service.api = std::make_unique<BanditApi>(service.daemon, *service.arms, service.config.api);
  service.api->Install();
  service.stats = std::make_unique<BanditStats>(service.daemon, *service.arms, *service.api,
                                                service.config.store, service.reader.get());
  service.stats->Install();
  // Behind the announcement: in the background the standard files change with it.
  service.daemon.loop().Post([&service] {
    if (service.reader != nullptr) {
      LogInfo("learning from {}", service.reader->source().name());
      service.reader->Start();
    }
    service.arms->Start();
  });
  return {};
}

bool BanditService::refused() const { return impl_->refused; }

void BanditService::OnDraining() { impl_->OnDraining(); }

Status BanditService::Close() {
  Impl& service = *impl_;
  if (service.reader == nullptr) return {};
  if (service.hung) return {StatusCode::kUnavailable, "learning has ended: a task hangs"};
  if (Status status = service.AwaitReader(); !status.ok()) return status;
  const ReaderCounts& counts = service.reader->counts();
  LogInfo("{} messages read, {} finished, {} given up, {} malformed", counts.messages,
          counts.finished, counts.given_up, counts.malformed);
  if (service.reader->runner().exit_status() == 0) return {};
  return {StatusCode::kUnavailable, "learning did not end in order"};
}

Status BanditService::health() const {
  const Impl& service = *impl_;
  if (service.reader == nullptr || service.stopping) return {};
  if (service.hung) return {StatusCode::kUnavailable, kHung};
  if (service.reader->ended()) {
    return {StatusCode::kUnavailable, kEnded};
  }
  const RunnerStats stats = service.reader->runner().Stats();
  if (!stats.checkpoint_status.ok()) {
    return {StatusCode::kUnavailable, "checkpoint: " + stats.checkpoint_status.message()};
  }
  if (stats.busy > kTooLong && stats.state != "waiting for the store") {
    return {StatusCode::kUnavailable,
            fmt::format("a message has been in hand for {:.0f} s",
                        std::chrono::duration<double>(stats.busy).count())};
  }
  return {};
}

bool BanditService::hung() const { return impl_->hung; }

}  // namespace rivulet
