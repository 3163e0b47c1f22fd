#include "simplequeue/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/names.h"
#include "http/reply.h"
#include "http/request.h"
#include "simplequeue/durability.h"

namespace rivulet {

namespace {

// Messages whose time has come are moved in portions, so that a million leases that end together
// hold nobody up for long: so many a turn of the loop, and so many for a request that asks about
// leases.
constexpr std::size_t kAdvanceATurn = 10'000;
constexpr std::size_t kAdvanceARequest = 250;
constexpr Duration kTimerGrain = std::chrono::milliseconds(2);

QueueLimits LimitsOf(const QueueOptions& options) {
  QueueLimits limits;
  limits.max_depth = options.max_depth;
  limits.max_bytes = options.max_bytes;
  limits.max_attempts = static_cast<std::uint32_t>(options.max_attempts);
  limits.dedupe_window = options.dedupe_window;
  limits.max_keys = options.max_keys;
  return limits;
}

int StatusOf(const Status& refused) { return refused.code() == StatusCode::kExhausted ? 507 : 503; }

}  // namespace

QueueApi::QueueApi(Daemon& daemon, QueueOptions options, Durability* durability)
    : daemon_(daemon),
      options_(std::move(options)),
      durability_(durability),
      queues_(LimitsOf(options_), options_.max_queues, durability),
      epoch_(std::random_device{}()),
      message_ids_(fmt::format("of {:08x}", epoch_)),
      polls_(
          daemon.loop(), daemon.clock(),
          [this](const std::string& queue, LongPoll& poll) { return ServePoll(queue, poll); },
          [this](LongPoll& poll) { EndPoll(poll); }),
      wake_refused_(daemon.loop(), [this] { polls_.WakeAll(); }),
      due_timer_(daemon.loop(), [this] {
        armed_for_ = MonoTime::max();
        Advance(daemon_.clock().Now(), kAdvanceATurn);
      }) {
  logs_overflow_ =
      options_.overflow == "log" || (options_.overflow.empty() && !options_.overflow_log.empty());
}

QueueApi::~QueueApi() = default;

void QueueApi::Install() {
  Router& router = daemon_.router();
  router.Add(kActs, "/put", this, &QueueApi::Put);
  router.Add(kActsOrLooks, "/get", this, &QueueApi::Get);
  router.Add(kActs, "/mput", this, &QueueApi::MultiPut);
  router.Add(kActsOrLooks, "/mget", this, &QueueApi::MultiGet);
  router.Add(kActs, "/finish", this, &QueueApi::Finish);
  router.Add(kActs, "/requeue", this, &QueueApi::Requeue);
  router.Add(kActs, "/touch", this, &QueueApi::Touch);
  router.Add(kActs, "/bury", this, &QueueApi::Bury);
  router.Add(kActs, "/kick", this, &QueueApi::Kick);
  router.Add(kLooks, "/peek", this, &QueueApi::Peek);
  router.Add(kActs, "/pause", this, &QueueApi::Pause);
  router.Add(kActs, "/unpause", this, &QueueApi::Unpause);
  router.Add(kActs, "/empty", this, &QueueApi::Empty);
  router.Add(kLooks, "/queues", this, &QueueApi::Queues);
  router.Add(kLooks, "/dump", this, &QueueApi::Dump);
  router.Add(kLooks, "/stats", this, &QueueApi::Stats);
  if (options_.enable_exit) router.Add(kActs, "/exit", this, &QueueApi::Exit);
  daemon_.metrics().AddGaugeFunction("rivulet_queue_waiting_polls",
                                     "Requests that wait for a message.",
                                     [this] { return static_cast<double>(polls_.waiting()); });
  daemon_.metrics().AddCollector([this](std::string* out) { WriteMetrics(out); });
}

Status QueueApi::OpenOverflowLog() {
  return options_.overflow_log.empty() ? Status::Ok() : overflow_log_.Open(options_.overflow_log);
}

Status QueueApi::Recover() {
  if (durability_ == nullptr) return Status::Ok();
  if (Status s = durability_->Open(&queues_); !s.ok()) return s;
  const std::uint64_t identity = durability_->identity();
  message_ids_ = identity != 0 ? fmt::format("lasting {:016x}", identity) : "lasting";
  durability_->SetHooks({[this](std::uint64_t commit) { OnCommitted(commit); },
                         [this](const Status& why) { OnFailed(why); }, [this] { OnHealed(); }});
  daemon_.CheckHealthBy([this] { return durability_->Admit(Journal::Work::kGrows); });
  ArmTimer();
  return Status::Ok();
}

void QueueApi::Reopen() {
  if (Status s = overflow_log_.Reopen(); !s.ok()) LogError("{}", s.message());
}

Status QueueApi::Close() {
  if (durability_ != nullptr) return durability_->Close();
  if (!overflow_log_.open()) return Status::Ok();
  for (const auto& [name, queue] : queues_.all()) {
    while (queue->depth() > 0) {
      if (Status s = MoveOldestToLog(*queue); !s.ok()) return s;
    }
  }
  return Status::Ok();
}

Queue* QueueApi::QueueToPut(const Request& request, Reply& reply) {
  const auto name = request.Param("queue");
  if (!name) return &queues_.default_queue();
  auto queue = queues_.FindOrMake(*name);
  if (queue.ok()) return *queue;
  const bool full = queue.status().code() == StatusCode::kExhausted;
  reply.Error(full ? 503 : 400, queue.status().message());
  return nullptr;
}

bool QueueApi::QueueToRead(const Request& request, Reply& reply, Queue** queue) {
  const auto name = request.Param("queue");
  *queue = name ? queues_.Find(*name) : &queues_.default_queue();
  if (*queue != nullptr || IsName(*name)) return true;
  reply.Error(400, fmt::format("queue: {}", kNameRule));
  return false;
}

bool QueueApi::Admits(Work work) const {
  return durability_ == nullptr ||
         durability_->Admit(work == Work::kGrows ? Journal::Work::kGrows : Journal::Work::kShrinks)
             .ok();
}

bool QueueApi::Admit(Work work, Reply& reply) {
  if (durability_ == nullptr) return true;
  const Status admitted =
      durability_->Admit(work == Work::kGrows ? Journal::Work::kGrows : Journal::Work::kShrinks);
  if (work == Work::kGrows && admitted.ok() == refusing_) NoteRefusing(admitted);
  if (admitted.ok()) return true;
  reply.Error(StatusOf(admitted), admitted.message());
  return false;
}

// A disk that is found full early is told by no hook, because no answer must become an error for
// it.
void QueueApi::NoteRefusing(const Status& admitted) {
  refusing_ = !admitted.ok();
  if (refusing_) {
    LogError("changes are refused: {}", admitted.message());
  } else {
    LogInfo("changes are taken again");
  }
}

void QueueApi::Promise(Reply& reply) const {
  if (durability_ != nullptr) reply.HoldUntil(durability_->last_commit());
}

void QueueApi::NoteTaken(Queue& queue) {
  if (durability_ == nullptr) return;
  const std::uint64_t commit = durability_->last_commit();
  if (!taken_.empty() && taken_.back().queue == &queue && taken_.back().commit == commit) return;
  taken_.push_back({&queue, commit});
}

void QueueApi::OnCommitted(std::uint64_t commit) {
  while (!taken_.empty() && taken_.front().commit <= commit) {
    taken_.front().queue->Committed(commit);
    taken_.pop_front();
  }
  daemon_.server().Release(commit);
}

void QueueApi::OnFailed(const Status& why) {
  for (const Taken& taken : taken_) taken.queue->Untake();
  taken_.clear();
  ArmTimer();        // what is back may have a time to live
  refusing_ = true;  // and logged
  daemon_.server().FailHeld(StatusOf(why), why.message());
}

void QueueApi::OnHealed() {
  refusing_ = false;
  polls_.WakeAll();
}

void QueueApi::ArmTimer() {
  const MonoTime due = queues_.next_due();
  if (due >= armed_for_) return;
  armed_for_ = due;
  due_timer_.Start(std::max(due - daemon_.clock().Now(), kTimerGrain));
}

MonoTime QueueApi::Settle() {
  const MonoTime now = daemon_.clock().Now();
  if (queues_.next_due() <= now) Advance(now, kAdvanceARequest);
  return now;
}

void QueueApi::Advance(MonoTime now, std::size_t max) {
  queues_.Advance(now, max, [this](Queue& queue) { Wake(queue); });
  ArmTimer();
}

}  // namespace rivulet
