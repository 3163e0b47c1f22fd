#include "queuereader/queue_settler.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "queuereader/frames.h"

namespace rivulet {
namespace {

constexpr std::size_t kMaxReceipts = 5'000;  // a request
constexpr std::size_t kMaxRequeues = 8;      // requests at a time
// How many requests that wait are looked at for one with the same delay.
constexpr std::size_t kLookedAt = 64;
constexpr std::uint64_t kLoggedEvery = 50;  // failures in a row
constexpr Duration kTimeout = std::chrono::seconds(30);

}  // namespace

QueueSettler::QueueSettler(EventLoop& loop, Client& client, const QueueOrigin& origin,
                           BackoffConfig backoff, OnSettled on_settled)
    : client_(client),
      origin_(origin),
      on_settled_(std::move(on_settled)),
      backoff_(backoff, std::random_device{}()),
      pause_(loop, [this] { Send(); }),
      requeue_{"requeued", kMaxRequeues, {}, {}},
      replace_{"requeued", kMaxRequeues, {}, {}} {}

void QueueSettler::Add(Settlement settlement) {
  ++unsettled_;
  switch (settlement.fate) {
    case Fate::kFinish:
      return Gather(&finish_, settlement, "/finish");
    case Fate::kBury:
      return Gather(&bury_, settlement, "/bury");
    case Fate::kRequeue:
    case Fate::kReturn:
      break;
  }
  std::string path = "/requeue";
  const bool returned = settlement.fate == Fate::kReturn;
  const bool delayed = !returned && settlement.delay > Duration::zero();
  if (delayed) path += "?delay=" + TimeParameter(settlement.delay);
  if (returned || settlement.body.empty()) return Gather(&requeue_, settlement, std::move(path));
  Errand errand;
  errand.path = fmt::format("{}{}receipt={}", path, delayed ? '&' : '?', settlement.receipt);
  errand.receipts = settlement.receipt + '\n';
  errand.tokens = {settlement.token};
  errand.replaces = true;
  errand.body = std::move(settlement.body);
  replace_.waiting.push_back(std::move(errand));
}

void QueueSettler::Gather(Lane* lane, const Settlement& settlement, std::string path) {
  auto at = lane->waiting.rbegin();
  const auto end = at + static_cast<std::ptrdiff_t>(std::min(kLookedAt, lane->waiting.size()));
  at = std::find_if(at, end, [&path](const Errand& errand) {
    return errand.tokens.size() < kMaxReceipts && errand.path == path;
  });
  Errand* errand = at == end ? nullptr : &*at;
  if (errand == nullptr) {
    errand = &lane->waiting.emplace_back();
    errand->path = std::move(path);
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
    if (MayHeal(response)) return Again(lane, std::move(errand), why);
    return Refused(lane, std::move(errand), why);
  }
  std::vector<std::string_view> stale;
  if (!ReadReceiptAnswer(response.body, lane.verb, &stale)) {
    return Again(lane, std::move(errand),
                 fmt::format("{}: answered no \"{} N\"", response.endpoint, lane.verb));
  }
  if (backoff_.failures() > 0) {
    backoff_.Reset();
    LogInfo("{}: answered again", response.endpoint);
  }
  Send();
  Answered(errand, stale);
}

void QueueSettler::Again(Lane& lane, Errand errand, const std::string& why) {
  lane.waiting.push_front(std::move(errand));
  if (pause_.active()) return;  // another one failed just before
  if (backoff_.failures() % kLoggedEvery == 0) {
    LogWarning("{}; asked again until it is answered", why);
  }
  pause_.Start(backoff_.Next());
}

// One bad receipt must not hold up the others, nor a request that is too large.
void QueueSettler::Refused(Lane& lane, Errand errand, const std::string& why) {
  const std::size_t count = errand.tokens.size();
  if (count > 1) {
    std::size_t cut = 0;
    for (std::size_t line = 0; line < count / 2; ++line) cut = errand.receipts.find('\n', cut) + 1;
    Errand second;
    second.path = errand.path;
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

void QueueSettler::Answered(const Errand& errand, const std::vector<std::string_view>& stale) {
  const std::unordered_set<std::string_view> lost(stale.begin(), stale.end());
  std::string_view receipts = errand.receipts;
  for (const std::uint64_t token : errand.tokens) {
    const std::size_t end = receipts.find('\n');
    const bool held = lost.empty() || !lost.contains(receipts.substr(0, end));
    receipts.remove_prefix(end + 1);
    Tell(token, held ? Settled::kDone : Settled::kStale, Status::Ok());
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
