#include "queuereader/source/queue_settler.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <unordered_map>
#include <utility>

#include "base/log.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxReceipts = 5'000;  // a request
constexpr std::size_t kMaxRequeues = 8;      // requests at a time
// How many requests that wait are looked at for one with the same delay.
constexpr std::size_t kLookedAt = 64;
constexpr std::uint64_t kLoggedEvery = 50;   // failures in a row
constexpr std::uint64_t kTroubledAfter = 5;  // likewise
constexpr int kRoomTries = 5;
constexpr Duration kTimeout = std::chrono::seconds(30);

}  // namespace

QueueSettler::QueueSettler(EventLoop& loop, Client& client, const QueueOrigin& origin,
                           BackoffConfig backoff, OnSettled on_settled, OnBroken on_broken)
    : client_(client),
      origin_(origin),
      on_settled_(std::move(on_settled)),
      on_broken_(std::move(on_broken)),
      backoff_(backoff, std::random_device{}()),
      pause_(loop, [this] { Send(); }),
      requeue_{"requeued", kMaxRequeues, {}, {}},
      replace_{"requeued", kMaxRequeues, {}, {}} {}

void QueueSettler::Add(Settlement settlement) {
  ++unsettled_;
  switch (settlement.fate) {
    case Fate::kFinish:
      return Gather(&finish_, settlement, "/finish?missed=why");
    case Fate::kBury:
      return Gather(&bury_, settlement, "/bury?missed=why");
    case Fate::kRequeue:
    case Fate::kReturn:
      break;
  }
  std::string path = "/requeue?missed=why";
  const bool returned = settlement.fate == Fate::kReturn;
  const bool delayed = !returned && settlement.delay > Duration::zero();
  if (delayed) path += "&delay=" + TimeParameter(settlement.delay);
  if (returned || settlement.body.empty()) return Gather(&requeue_, settlement, path);
  Errand errand;
  errand.path = fmt::format("{}&receipt={}", path, settlement.receipt);
  errand.receipts = settlement.receipt + '\n';
  errand.tokens = {settlement.token};
  errand.replaces = true;
  errand.body = std::move(settlement.body);
  replace_.waiting.push_back(std::move(errand));
}

void QueueSettler::Gather(Lane* lane, const Settlement& settlement, std::string_view path) {
  auto at = lane->waiting.rbegin();
  const auto end = at + static_cast<std::ptrdiff_t>(std::min(kLookedAt, lane->waiting.size()));
  at = std::find_if(at, end, [&path](const Errand& errand) {
    return errand.tokens.size() < kMaxReceipts && errand.path == path && !errand.as_it_was;
  });
  Errand* errand = at == end ? nullptr : &*at;
  if (errand == nullptr) {
    errand = &lane->waiting.emplace_back();
    errand->path = path;
  }
  errand->receipts.append(settlement.receipt).push_back('\n');
  errand->tokens.push_back(settlement.token);
}

void QueueSettler::Send() {
  if (pause_.active()) return;
  for (Lane* lane : {&finish_, &bury_, &requeue_, &replace_}) {
    while (lane->running.size() < lane->max_running && !lane->waiting.empty()) Start(*lane);
  }
}

void QueueSettler::Start(Lane& lane) {
  const auto running = lane.running.emplace(lane.running.end());
  running->errand = std::move(lane.waiting.front());
  lane.waiting.pop_front();
  const Errand& errand = running->errand;
  ClientRequest request = origin_.Ask(errand.path);
  request.method = "POST";
  // Lives in the list until the call has ended.
  request.body = ClientBody(errand.replaces ? errand.body : errand.receipts, nullptr);
  request.timeout = kTimeout;
  running->call =
      client_.Start(std::move(request), [this, &lane, running](const ClientResponse& response) {
        OnAnswer(lane, running, response);
      });
}

void QueueSettler::OnAnswer(Lane& lane, std::list<Running>::iterator running,
                            const ClientResponse& response) {
  Errand errand = std::move(running->errand);
  lane.running.erase(running);
  if (!response.ok()) {
    const std::string why = DescribeAnswer(response, response.body);
    if (!response.status.ok()) on_broken_();
    if (LeaveOutBody(&errand, response)) return Send();
    if (MayHeal(response)) return Again(lane, std::move(errand), why);
    return Refused(lane, std::move(errand), why);
  }
  std::vector<MissedReceipt> missed;
  if (!ReadReceiptAnswer(response.body, lane.verb, &missed)) {
    return Again(lane, std::move(errand),
                 fmt::format("{}: answered no \"{} N\"", response.endpoint, lane.verb));
  }
  if (backoff_.failures() > 0) {
    backoff_.Reset();
    LogInfo("{}: answered again", response.endpoint);
  }
  if (errand.replaces) no_room_ = 0;
  // A finish makes room.
  if (no_room_ == 0 || &lane == &finish_) status_ = {};
  Send();
  Answered(lane, errand, missed);
}

void QueueSettler::Again(Lane& lane, Errand errand, const std::string& why) {
  lane.waiting.push_front(std::move(errand));
  if (pause_.active()) return;  // another one failed just before
  if (backoff_.failures() + 1 >= kTroubledAfter) status_ = {StatusCode::kUnavailable, why};
  if (backoff_.failures() % kLoggedEvery == 0) {
    LogWarning("{}; asked again until it is answered", why);
  }
  pause_.Start(backoff_.Next());
}

bool QueueSettler::LeaveOutBody(Errand* errand, const ClientResponse& response) {
  const bool full = response.status.ok() && (response.code == 503 || response.code == 507);
  if (!errand->replaces || !full) return false;
  // Those that were sent together count as one.
  if (no_room_ < kRoomTries && !pause_.active()) ++no_room_;
  if (no_room_ < kRoomTries) return false;
  const std::string why = DescribeAnswer(response, response.body);
  if (no_room_ == kRoomTries) {
    ++no_room_;
    LogWarning("{}; messages are requeued as they are, until there is room for what they carry",
               why);
  }
  status_ = {StatusCode::kUnavailable, why};
  Errand bare;
  bare.path = errand->path.substr(0, errand->path.find("&receipt="));
  bare.receipts = std::move(errand->receipts);
  bare.tokens = std::move(errand->tokens);
  bare.as_it_was = true;
  requeue_.waiting.push_back(std::move(bare));
  return true;
}

// One bad receipt must not hold up the others, nor a request that is too large.
void QueueSettler::Refused(Lane& lane, Errand errand, const std::string& why) {
  const std::size_t count = errand.tokens.size();
  if (count > 1) {
    std::size_t cut = 0;
    for (std::size_t line = 0; line < count / 2; ++line) cut = errand.receipts.find('\n', cut) + 1;
    Errand second;
    second.path = errand.path;
    second.as_it_was = errand.as_it_was;
    second.receipts = errand.receipts.substr(cut);
    second.tokens.assign(errand.tokens.begin() + static_cast<std::ptrdiff_t>(count / 2),
                         errand.tokens.end());
    errand.receipts.resize(cut);
    errand.tokens.resize(count / 2);
    lane.waiting.push_front(std::move(second));
    lane.waiting.push_front(std::move(errand));
    return Send();
  }
  Send();
  if (errand.replaces) return Tell(errand.tokens.front(), Settled::kRefused, InvalidArgument(why));
  LogWarning("{}; the message is left to its lease", why);
  Tell(errand.tokens.front(), Settled::kStale, Status::Ok());
}

void QueueSettler::Answered(const Lane& lane, const Errand& errand,
                            const std::vector<MissedReceipt>& missed) {
  std::unordered_map<std::string_view, Settled> others;
  for (const auto& [receipt, why] : missed) {
    // A message that is gone will not come again; a dead letter is where /bury wants it.
    const bool buried = why == "dead" && &lane == &bury_;
    others[receipt] = why == "gone" ? Settled::kGone : buried ? Settled::kDone : Settled::kStale;
  }
  const Settled held = errand.as_it_was ? Settled::kAsItWas : Settled::kDone;
  std::string_view receipts = errand.receipts;
  for (const std::uint64_t token : errand.tokens) {
    const std::size_t end = receipts.find('\n');
    const auto found = others.empty() ? others.end() : others.find(receipts.substr(0, end));
    receipts.remove_prefix(end + 1);
    Tell(token, found != others.end() ? found->second : held, Status::Ok());
  }
}

void QueueSettler::Tell(std::uint64_t token, Settled how, const Status& why) {
  if (abandoned_) return;
  --unsettled_;
  on_settled_(token, how, why);
}

void QueueSettler::Abandon() {
  abandoned_ = true;
  unsettled_ = 0;
  pause_.Cancel();
  for (Lane* lane : {&finish_, &bury_, &requeue_, &replace_}) {
    lane->running.clear();
    lane->waiting.clear();
  }
}

}  // namespace rivulet
