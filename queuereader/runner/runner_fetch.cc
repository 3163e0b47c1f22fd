#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "queuereader/runner/runner_impl.h"

namespace rivulet {
namespace {

// What is in hand is what no other reader can run: so much that the next answer comes in time.
constexpr Duration kAhead = std::chrono::seconds(1);
constexpr std::size_t kAheadMessages = 4'096;
constexpr std::size_t kAheadBytes = std::size_t{64} << 20;
// Decisions that wait for a checkpoint or for the source.
constexpr std::size_t kMaxDecisions = 1'000'000;
// For a last checkpoint, where none could be written for long.
constexpr Duration kLastTry = std::chrono::milliseconds(500);

}  // namespace

bool Runner::Impl::WantsMore() const {
  const MonoTime now = parts.clock->Now();
  if (now < fetch_at || asking_drained || requeues.size() >= kMaxRequeues) return false;
  const Ledger::Counts counts = ledger.counts();
  if (counts.decided + counts.covered + counts.settling > kMaxDecisions) return false;
  std::size_t in_hand = pending.size();
  if (running)
    in_hand += running->items().size() - std::min(running->ran(), running->items().size());
  Duration lasts = std::max(Duration::zero(), paused_until - now);
  if (in_hand > 0) {
    if (!time_a_message || pending_bytes >= kAheadBytes) return false;
    // What was popped is lost with this process.
    const std::size_t most =
        parts.source->leases() ? std::max(kAheadMessages, 2 * last_batch) : 2 * last_batch;
    if (in_hand >= most) return false;
    lasts += *time_a_message * static_cast<Duration::rep>(in_hand);
  }
  return lasts < kAhead;
}

void Runner::Impl::StartFetch() {
  if (state != State::kRunning || fetching || ended || stop_requested() || !WantsMore()) return;
  fetching = true;
  requeued_since_fetch = false;
  fetch_began = parts.clock->Now();
  fetch_doubts = ledger.doubts();
  parts.source->Fetch();
}

void Runner::Impl::OnFetched(Batch batch) {
  fetching = false;
  if (state == State::kStopped) return;
  if (batch.state != Batch::State::kFailed) source_status = {};
  switch (batch.state) {
    case Batch::State::kMessages:
      empty_since.reset();
      Take(std::move(batch));
      if (fetch_doubts != ledger.doubts()) TouchSoon();
      break;
    case Batch::State::kEmpty:
      OnEmpty();
      break;
    case Batch::State::kEnded:
      ended = !requeued_since_fetch;
      break;
    case Batch::State::kFailed:
      source_status = batch.status;
      empty_since.reset();
      fetch_at = parts.clock->Now() + config.sleeptime_failed_queue;
      if (!parts.source->keeps_requeued()) {
        Fail(batch.status);
      } else if (state == State::kRunning) {
        LogWarning("{}; next try in {}", batch.status.message(),
                   FormatDuration(config.sleeptime_failed_queue));
      }
      break;
  }
  Pump();
}

void Runner::Impl::Take(Batch batch) {
  last_batch = batch.messages.size();
  if (!origin_names || origin_names->size() != parts.source->origins()) {
    auto names = std::make_shared<std::vector<std::string>>();
    for (const std::string& origin : OriginNames()) names->push_back(MessageOrigin(origin));
    origin_names = std::move(names);
  }
  auto fetched = std::make_shared<FetchedBatch>();
  fetched->origin_names = origin_names;
  fetched->batch = std::move(batch);
  const std::size_t count = fetched->batch.messages.size();
  if (parts.source->leases()) fetched->tokens.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Delivery& delivery = fetched->delivery(i);
    if (fetched->leased(i)) {
      Ledger::Received received =
          ledger.Receive({delivery.origin, fetched->batch.incarnation, delivery.id,
                          fetched->batch.receipt(delivery), fetched->body(i),
                          fetched->batch.leased_until, fetch_doubts});
      if (received.known) continue;
      if (!received.body.empty()) {
        TakeWithBody(*fetched, i, std::move(received));
        continue;
      }
      fetched->tokens[i] = received.token;
    }
    if (crash) {
      SetMessageName(*fetched, i, &name);
      if (name == crash->message) {
        LogWarning("{} ended the process ({} in task {}): the try is charged", name, crash->how,
                   crash->task);
        fetched->crashed = i;
        fetched->crash = crash->how + " in task " + crash->task;
        crash.reset();
      }
    }
    pending_bytes += delivery.size;
    pending.push_back({fetched, static_cast<std::uint32_t>(i)});
  }
}

void Runner::Impl::TakeWithBody(const FetchedBatch& fetched, std::size_t message,
                                Ledger::Received received) {
  auto own = std::make_shared<FetchedBatch>();
  own->origin_names = fetched.origin_names;
  own->tokens = {received.token};
  Delivery delivery = fetched.delivery(message);
  delivery.offset = 0;
  delivery.size = received.body.size();
  delivery.receipt_offset = delivery.size;
  own->batch.bytes = std::move(received.body);
  own->batch.bytes += fetched.batch.receipt(fetched.delivery(message));
  own->batch.incarnation = fetched.batch.incarnation;
  own->batch.messages = {delivery};
  pending_bytes += delivery.size;
  pending.push_back({std::move(own), 0});
}

void Runner::Impl::OnEmpty() {
  const MonoTime now = parts.clock->Now();
  if (!empty_since) empty_since = fetch_began;
  Duration wait = config.sleeptime_queue_empty;
  if (config.exit_when_empty) {
    const Duration rest = *empty_since + *config.exit_when_empty - now;
    // What is still on its way is waited for at the usual pace.
    if (rest > Duration::zero()) wait = std::min(wait, rest);
    if (rest <= Duration::zero()) AskDrained();
  }
  // A queue that lets us wait for messages may be asked again at once.
  fetch_at = std::max(now, fetch_began + wait);
}

std::optional<MonoTime> Runner::Impl::AskDrainedAt() const {
  // A fetch of what is popped may be about to bring what the queue no longer knows.
  if (!config.exit_when_empty || !fetching || asking_drained || !parts.source->leases() ||
      !Idle()) {
    return std::nullopt;
  }
  return std::max(fetch_began + *config.exit_when_empty, ask_again_at);
}

void Runner::Impl::AskDrainedInPoll() {
  const std::optional<MonoTime> at = AskDrainedAt();
  if (!at || parts.clock->Now() < *at) return;
  ask_again_at = parts.clock->Now() + config.sleeptime_queue_empty;
  empty_since = fetch_began;
  AskDrained();
}

void Runner::Impl::AskDrained() {
  if (state != State::kRunning || asking_drained) return;
  if (Uncovered() && pending.empty() && !running && !saving && checkpoint_status.ok()) {
    return BeginCheckpoint();
  }
  const bool failing = Uncovered() && pending.empty() && !running && !checkpoint_status.ok();
  if (failing && parts.clock->Now() - no_checkpoint_since >= config.drain_timeout) {
    return EndWithoutCheckpoint();
  }
  if (!Idle()) return;
  asking_drained = true;
  parts.source->AskDrained([this, alive = weak_from_this()](bool drained) {
    const auto self = alive.lock();
    if (!self) return;
    asking_drained = false;
    // What a fetch that cannot be given up is about to bring says more.
    const bool empty = drained && empty_since && Idle();
    if (empty && fetching && parts.source->CancelFetch()) fetching = false;
    if (empty && !fetching) Stop();
    pump.Schedule();
  });
}

void Runner::Impl::EndWithoutCheckpoint() {
  exit_status = 1;
  Stop();
  // It was tried for that long already.
  drain_deadline.Start(kLastTry);
}

std::vector<std::string> Runner::Impl::OriginNames() const {
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < parts.source->origins(); ++i) {
    names.push_back(parts.source->origin_name(i));
  }
  return names;
}

}  // namespace rivulet
