#include "collector/outlet.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "bridge/dead_letters.h"
#include "bridge/message_log.h"

namespace rivulet {

namespace {
constexpr Duration kSyncLettersEvery = std::chrono::seconds(1);
}  // namespace

struct Outlet::Impl {
  Impl(EventLoop& loop, const Clock& its_clock, std::function<void()> its_on_safe)
      : clock(its_clock), on_safe(std::move(its_on_safe)), sync_letters(loop, [this] {
          if (SyncLetters()) Follow();
        }) {}

  Status OpenBacklog(EventLoop& loop, OutletConfig* config);
  bool spool_is_well() const { return spool != nullptr && spool->health().ok(); }
  bool SyncLetters();
  void Follow();
  void OnProgress();
  bool Drained() const;

  const Clock& clock;
  std::function<void()> on_safe;
  std::unique_ptr<Backlog> backlog;
  Spool* spool = nullptr;  // backlog, when it is one
  std::size_t readers = 0;
  std::unique_ptr<DeadLetters> dead_letters;
  std::uint64_t safe_letters = 0;
  MonoTime next_sync{};
  Timer sync_letters;
  std::function<void()> drained;
  bool holding = false;                    // the drain leaves what is pending in the spool
  std::unique_ptr<HttpDelivery> delivery;  // last: gone before its backlog
};

Status Outlet::Impl::OpenBacklog(EventLoop& loop, OutletConfig* config) {
  if (!config->spool) {
    backlog = std::make_unique<MessageLog>(config->max_pending_bytes);
    return Status::Ok();
  }
  readers = config->spool->readers.size();
  auto opened = Spool::Open(*config->spool, loop, clock, [this] {
    OnProgress();
    on_safe();
  });
  if (!opened.ok()) return opened.status();
  spool = opened->get();
  backlog = std::move(opened).value();
  config->delivery.forwarder.begin_at = spool->begin_at();
  return Status::Ok();
}

// At once after a second of quiet, and at most once a second: a destination that refuses much slows
// nothing.
bool Outlet::Impl::SyncLetters() {
  if (dead_letters == nullptr) return true;
  const std::uint64_t written = dead_letters->written();
  if (written == safe_letters) return true;
  next_sync = clock.Now() + kSyncLettersEvery;
  if (Status status = dead_letters->Sync(); !status.ok()) {
    LogError("{}", status.message());
    sync_letters.Start(kSyncLettersEvery);
    return false;
  }
  safe_letters = written;
  return true;
}

// The spool forgets a refused message only when its dead letter is safe.
void Outlet::Impl::Follow() {
  if (spool == nullptr) return;
  if (dead_letters != nullptr && dead_letters->written() != safe_letters) {
    if (!sync_letters.active()) {
      sync_letters.Start(std::max(Duration::zero(), next_sync - clock.Now()));
    }
    return;
  }
  for (std::size_t i = 0; i < readers; ++i) spool->SetDone(i, delivery->forwarder().oldest(i));
}

void Outlet::Impl::OnProgress() {
  if (delivery == nullptr) return;  // the spool is being recovered
  Follow();
  if (drained && Drained()) std::exchange(drained, nullptr)();
}

bool Outlet::Impl::Drained() const {
  if (delivery->counts().pending == 0) return true;
  if (!holding) return false;
  for (std::size_t i = 0; i < delivery->destinations(); ++i) {
    if (delivery->forwarder().window(i).in_flight() > 0) return false;
  }
  return true;
}

Outlet::Outlet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Outlet::~Outlet() = default;

Result<std::unique_ptr<Outlet>> Outlet::Open(EventLoop& loop, const Clock& clock,
                                             OutletConfig config, std::function<void()> on_safe) {
  auto impl = std::make_unique<Impl>(loop, clock, std::move(on_safe));
  if (!config.delivery.dead_letter_path.empty()) {
    auto letters = DeadLetters::Open(config.delivery.dead_letter_path, clock);
    if (!letters.ok()) return letters.status();
    impl->dead_letters = std::move(letters).value();
  }
  if (Status status = impl->OpenBacklog(loop, &config); !status.ok()) return status;
  impl->delivery = std::make_unique<HttpDelivery>(loop, clock, std::move(config.delivery),
                                                  impl->backlog.get(), impl->dead_letters.get(),
                                                  [at = impl.get()] { at->OnProgress(); });
  if (impl->delivery->counts().pending > 0) impl->delivery->Pump();
  return std::unique_ptr<Outlet>(new Outlet(std::move(impl)));
}

std::uint64_t Outlet::Take(std::string_view message) {
  impl_->delivery->Append(message);
  return end();
}

std::uint64_t Outlet::end() const { return impl_->backlog->end(); }

std::uint64_t Outlet::safe() const {
  return impl_->spool != nullptr ? impl_->spool->committed() : impl_->backlog->end();
}

bool Outlet::full() const { return impl_->backlog->full(); }

Status Outlet::health() const {
  return impl_->spool != nullptr ? impl_->spool->health() : Status::Ok();
}

ForwarderCounts Outlet::counts() const { return impl_->delivery->counts(); }

std::uint64_t Outlet::spool_bytes() const {
  return impl_->spool != nullptr ? impl_->spool->disk_bytes() : 0;
}

BridgeParts Outlet::parts() const {
  return {.delivery = impl_->delivery.get(), .spool = impl_->spool};
}

Status Outlet::Reopen() {
  return impl_->dead_letters != nullptr ? impl_->dead_letters->Reopen() : Status::Ok();
}

void Outlet::Drain(std::function<void()> done) {
  impl_->holding = impl_->spool_is_well();
  if (impl_->holding) {
    impl_->delivery->Hold();
  } else {
    impl_->delivery->NoMore();
    impl_->delivery->RetryNow();
  }
  if (impl_->Drained()) return done();
  impl_->drained = std::move(done);
}

bool Outlet::Close() {
  const bool kept = impl_->spool_is_well();
  bool well = impl_->SyncLetters();
  impl_->sync_letters.Cancel();
  if (well) impl_->Follow();
  if (impl_->spool != nullptr) {
    if (Status status = impl_->spool->Close(); !status.ok()) {
      LogError("{}", status.message());
      return false;
    }
  }
  const std::uint64_t pending = impl_->delivery->counts().pending;
  if (pending > 0 && !kept) {
    LogError("{} messages were not delivered, and are lost", pending);
    return false;
  }
  if (pending > 0) LogInfo("{} messages wait in the spool", pending);
  return well;
}

}  // namespace rivulet
