#include <algorithm>
#include <utility>

#include "base/log.h"
#include "queuereader/runner/runner_impl.h"

namespace rivulet {
namespace {

// As many as run in a slice's time, and some more.
constexpr Duration kSliceTime = std::chrono::microseconds(5'500);
constexpr std::size_t kLeastSlice = 256;
constexpr std::size_t kGreatestSlice = 8'192;
// Of a slice, to believe how long a message takes.
constexpr std::size_t kManyRun = 64;
// How long to wait before messages that are not due, and too many to hold, are looked at again.
constexpr Duration kHoldFullPause = std::chrono::seconds(1);
constexpr std::uint64_t kRequeueLines = 100;  // of the log, a second

}  // namespace

bool Runner::Impl::MayRunSlices() const {
  return !running && !outputs_full && requeues.size() < kMaxRequeues;
}

void Runner::Impl::StartSlice() {
  if (state != State::kRunning) return;
  if (outputs_full) outputs_full = !parts.outputs->has_room();
  if (!MayRunSlices() || paused() || stop_requested() || charge != Charge::kNone) return;
  if (!FillSlice()) return;
  const MonoTime now = parts.clock->Now();
  if (now - stats_at >= kStatsPeriod) {
    stats_at = now;
    running->WantStats();
  }
  SliceSurroundings surroundings;
  surroundings.reader = parts.reader;
  surroundings.clock = parts.clock;
  surroundings.failed_messages = parts.failed_messages;
  surroundings.sleeptime_requeue = config.sleeptime_requeue;
  surroundings.stop = [state_of = shared, asked = config.stop_requested] {
    return state_of->stopping.load(std::memory_order_relaxed) || asked();
  };
  parts.executor->Do(
      [slice = running, state_of = shared, surroundings = std::move(surroundings),
       after = config.after_slice] {
        state_of->slice = slice.get();
        slice->Run(surroundings);
        after();
      },
      [alive = weak_from_this()] {
        if (const auto self = alive.lock()) self->OnSliceDone();
      });
}

bool Runner::Impl::FillSlice() {
  TakeDue();
  if (pending.empty()) return false;
  std::size_t most = kLeastSlice;
  if (time_a_message) {
    const Duration::rep each = std::max<Duration::rep>(time_a_message->count(), 1);
    most = std::clamp(static_cast<std::size_t>(kSliceTime.count() / each), kLeastSlice,
                      kGreatestSlice);
  }
  auto slice = spare ? std::move(spare) : std::make_shared<Slice>();
  slice->Clear();
  const MonoTime now = parts.clock->Now();
  std::vector<Pending> doubted;  // a touch tells whether they may run
  while (!pending.empty() && slice->items().size() < most) {
    Pending& next = pending.front();
    pending_bytes -= next.batch->delivery(next.message).size;
    const bool charged = next.batch->crashed == next.message;
    const Ledger::Lease lease = LeaseOf(*next.batch, next.message, now);
    if (lease == Ledger::Lease::kDoubted) {
      doubted.push_back(std::move(next));
    } else if (lease == Ledger::Lease::kOver) {
      ledger.Return(next.batch->tokens[next.message]);
    } else {
      slice->Add(std::move(next.batch), next.message);
      if (charged && parts.checkpoint != nullptr) charge = Charge::kRuns;
    }
    pending.pop_front();
    if (charge != Charge::kNone) break;
  }
  for (; !doubted.empty(); doubted.pop_back()) {
    pending_bytes += doubted.back().batch->delivery(doubted.back().message).size;
    pending.push_front(std::move(doubted.back()));
  }
  if (slice->items().empty()) {
    spare = std::move(slice);
    return false;
  }
  running = std::move(slice);
  return true;
}

void Runner::Impl::TakeDue() {
  const WallTime now = parts.clock->WallNow();
  while (!hold.empty() && hold.first_due() <= now) {
    Hold::Item item = hold.Take();
    auto batch = std::make_shared<FetchedBatch>();
    batch->origin_names = origin_names;
    item.delivery.offset = 0;
    pending_bytes += item.body.size();
    batch->batch.bytes = std::move(item.body);
    batch->batch.messages.push_back(item.delivery);
    pending.push_front({std::move(batch), 0});
  }
}

Ledger::Lease Runner::Impl::LeaseOf(const FetchedBatch& batch, std::uint32_t message,
                                    MonoTime now) const {
  return batch.leased(message) ? ledger.LeaseOf(batch.tokens[message], now) : Ledger::Lease::kHolds;
}

void Runner::Impl::OnSliceDone() {
  const std::shared_ptr<Slice> done = std::move(running);
  running.reset();
  if (state == State::kHung || state == State::kStopped) return;
  const std::size_t ran = done->ran();
  stats_stale = stats_stale || ran > 0;
  if (done->stats()) {
    stats = *done->stats();
    stats_stale = false;
  }
  if (ran > 0) {
    const Duration each = done->took() / static_cast<Duration::rep>(ran);
    // Soon, when it has become fast: a task's first message may take as long as its start.
    const bool has_become_fast = time_a_message && each < *time_a_message && ran >= kManyRun;
    time_a_message = time_a_message && !has_become_fast ? (*time_a_message * 3 + each) / 4 : each;
  }
  if (done->pause() > Duration::zero()) {
    LogInfo("backing off for {:.2f} s", std::chrono::duration<double>(done->pause()).count());
    paused_until = parts.clock->Now() + done->pause();
  }
  PutBackUnrun(*done);
  // The charged one is the last of its slice.
  if (charge == Charge::kRuns) {
    charge = ran == done->items().size() ? Charge::kDecided : Charge::kNone;
  }
  if (!done->fatal().empty()) OnUnusable(done->fatal());
  // First the next one, so that tasks do not wait for what the loop has to do.
  StartSlice();
  Apply(*done, ran);
  if (!spare) spare = done;
  Pump();
}

void Runner::Impl::PutBackUnrun(Slice& done) {
  for (std::size_t i = done.items().size(); i > done.ran(); --i) {
    const Slice::Item& item = done.items()[i - 1];
    pending_bytes += item.batch->delivery(item.message).size;
    pending.push_front({done.BatchOf(i - 1), item.message});
  }
}

void Runner::Impl::Apply(Slice& done, std::size_t ran) {
  std::vector<Slice::Remark> remarks = done.TakeRemarks();
  std::uint64_t emitted = 0;
  if (!parts.source->leases()) direct.reserve(direct.size() + ran);
  for (const Slice::Remark& remark : remarks) {
    for (const Emission& emission : remark.verdict.emissions) {
      parts.outputs->Emit(emission.output, emission.message);
      // What a batch emitted stands with its last message: all of the slice wait for it.
      emitted = parts.outputs->emitted();
    }
  }
  if (emitted > 0) outputs_full = parts.outputs->full();
  auto remark = remarks.begin();
  for (std::size_t i = 0; i < ran; ++i) {
    const Slice::Item& item = done.items()[i];
    if (remark != remarks.end() && remark->item == i) {
      ApplyRemark(item, *remark++, emitted);
    } else {
      Decide(item, {Fate::kFinish, {}, {}, emitted});
    }
  }
  SendDirect();
  run_since += ran;
  dirty = dirty || ran > 0;
  if (parts.checkpoint == nullptr) ledger.Cover(ledger.decisions());
}

void Runner::Impl::ApplyRemark(const Slice::Item& item, Slice::Remark& remark,
                               std::uint64_t emitted) {
  Verdict& verdict = remark.verdict;
  switch (verdict.next) {
    case Verdict::Next::kFinished:
    case Verdict::Next::kDropped:
      return Decide(item, {Fate::kFinish, {}, {}, emitted});
    case Verdict::Next::kHold:
      return HoldBack(item, verdict.due);
    case Verdict::Next::kRequeue:
      LogRequeued(verdict.why);
      return Decide(item, {Fate::kRequeue, verdict.due, std::move(verdict.body), emitted});
    case Verdict::Next::kGiveUp:
    case Verdict::Next::kMalformed:
      if (!remark.set_aside.ok()) return NotSetAside(item, remark.set_aside);
      return Decide(item, {Fate::kBury, {}, {}, emitted});
  }
}

void Runner::Impl::Decide(const Slice::Item& item, Ledger::Decision decision) {
  if (decision.fate == Fate::kRequeue) empty_since.reset();
  if (item.batch->leased(item.message)) {
    return ledger.Decide(item.batch->tokens[item.message], std::move(decision));
  }
  Duration delay{};
  if (decision.fate == Fate::kRequeue) {
    delay = std::max(Duration::zero(), decision.due - parts.clock->WallNow());
  }
  SettleUnleased(item.batch->delivery(item.message), decision.fate, std::move(decision.body),
                 delay);
}

// A queue that leases, and files, keep it until it is due; another gave it away.
void Runner::Impl::HoldBack(const Slice::Item& item, WallTime due) {
  const std::string_view body = item.batch->body(item.message);
  if (item.batch->leased(item.message)) return Decide(item, {Fate::kRequeue, due, {}, 0});
  const Delivery& delivery = item.batch->delivery(item.message);
  if (!parts.source->keeps_requeued()) {
    return Decide(item, {Fate::kRequeue, due, std::string(body), 0});
  }
  if (hold.Add(body, delivery, due)) return;
  SettleUnleased(delivery, Fate::kRequeue, std::string(body), {});
  fetch_at = parts.clock->Now() + kHoldFullPause;
}

void Runner::Impl::NotSetAside(const Slice::Item& item, const Status& why) {
  Fail(Status(why.code(), "cannot set a message aside, so the reader stops: " + why.message()));
  ReturnPending(
      {std::shared_ptr<const FetchedBatch>(std::shared_ptr<void>(), item.batch), item.message});
}

void Runner::Impl::LogRequeued(std::string_view why) {
  const MonoTime now = parts.clock->Now();
  if (now - requeue_log_from >= std::chrono::seconds(1)) {
    if (requeues_logged > kRequeueLines) {
      LogWarning("requeued: {} more messages", requeues_logged - kRequeueLines);
    }
    requeue_log_from = now;
    requeues_logged = 0;
  }
  if (++requeues_logged <= kRequeueLines) LogWarning("requeued: {}", why);
}

void Runner::Impl::WantStats() {
  const MonoTime now = parts.clock->Now();
  if (!stats_stale || running || now - stats_at < kStatsPeriod) return;
  stats_at = now;
  stats_stale = false;
  auto copy = std::make_shared<ReaderStats>();
  parts.executor->Do([copy, reader = parts.reader] { *copy = reader->Stats(); },
                     [copy, alive = weak_from_this()] {
                       if (const auto self = alive.lock()) self->stats = std::move(*copy);
                     });
}

void Runner::Impl::Tick() {
  if (ticking || state != State::kRunning || stop_requested()) return;
  ticking = true;
  // A store of our own is saved with the checkpoint, whoever fills it.
  const auto filled = std::make_shared<bool>(false);
  parts.executor->Do(
      [reader = parts.reader, store = parts.memory_store, filled, state_of = shared,
       after = config.after_slice] {
        if (state_of->stopping) return;
        const std::uint64_t before = store != nullptr ? store->Report().commands : 0;
        reader->Tick();
        *filled = store != nullptr && store->Report().commands > before;
        after();
      },
      [alive = weak_from_this(), filled] {
        const auto self = alive.lock();
        if (self == nullptr) return;
        self->ticking = false;
        self->dirty = self->dirty || *filled;
        if (*filled || self->state != State::kRunning) self->Pump();
      });
}

}  // namespace rivulet
