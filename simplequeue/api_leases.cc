// What the holder of a lease says: /finish, /requeue, /touch, /bury.
#include <fmt/format.h>

#include "http/reply.h"
#include "http/request.h"
#include "simplequeue/api.h"
#include "simplequeue/params.h"
#include "simplequeue/receipt.h"

namespace rivulet {

namespace {

constexpr std::size_t kKeptReceipts = 4096;

}  // namespace

void QueueApi::Finish(const Request& request, Reply& reply) {
  if (!ReadTellsWhy(request, reply) || !ReadReceipts(request, reply)) return;
  if (!Admit(Work::kShrinks, reply)) return;
  Settle();
  ActOnReceipts("finished", reply, [this](Queue& queue, std::span<const Queue::Holding> holdings) {
    return queue.Finish(holdings, &missed_);
  });
}

void QueueApi::Requeue(const Request& request, Reply& reply) {
  Duration delay{};
  const DurationBounds bounds{Duration::zero(), kLongestTime, {}};
  if (!DurationParam(request, reply, "delay", bounds, &delay)) return;
  if (!ReadTellsWhy(request, reply) || !ReadReceipts(request, reply)) return;
  // A body can replace the message's where the receipt stands in the query.
  const auto data = request.Param("data");
  const std::string_view body = request.Param("receipt") ? PostBody(request) : std::string_view();
  if (data || !body.empty()) {
    return RequeueAnew(reply, delay, data ? std::string_view(*data) : body);
  }
  if (!Admit(Work::kShrinks, reply)) return;
  const MonoTime now = Settle();
  ActOnReceipts("requeued", reply, [&](Queue& queue, std::span<const Queue::Holding> holdings) {
    const std::size_t held = queue.Requeue(holdings, now, delay, &missed_);
    Requeued(queue, delay);
    return held;
  });
}

void QueueApi::RequeueAnew(Reply& reply, Duration delay, std::string_view body) {
  if (receipts_.size() != 1) {
    return reply.Error(
        400, fmt::format("data goes with exactly one receipt, not with {}", receipts_.size()));
  }
  if (body.empty()) return reply.Error(400, "missing data");
  if (!Admit(Work::kGrows, reply)) return;
  const MonoTime now = Settle();
  MessageInfo old;
  Queue& queue = *receipts_.front().queue;
  if (queue.Find(holdings_.front().id, &old) && body.size() > old.body.size() &&
      !MakeRoom(queue, 0, body.size() - old.body.size(), reply)) {
    return;
  }
  ActOnReceipts("requeued", reply, [&](Queue& its, std::span<const Queue::Holding> holdings) {
    const bool held = its.RequeueWith(holdings.front(), body, now, delay);
    if (!held) missed_.push_back(0);
    Requeued(its, delay);
    return std::size_t{held};
  });
}

void QueueApi::Requeued(Queue& queue, Duration delay) {
  if (delay == Duration::zero()) {
    Wake(queue);
  } else {
    ArmTimer();
  }
}

void QueueApi::Touch(const Request& request, Reply& reply) {
  Duration lease{};
  const DurationBounds bounds{std::chrono::milliseconds(1), options_.max_lease, "--max-lease"};
  if (!DurationParam(request, reply, "lease", bounds, &lease)) return;
  if (lease == Duration::zero()) {
    return reply.Error(400, "lease: must say for how long from now, such as 30s");
  }
  tells_why_ = false;
  if (!ReadReceipts(request, reply) || !Admit(Work::kShrinks, reply)) return;
  const MonoTime now = Settle();
  ActOnReceipts("touched", reply, [&](Queue& queue, std::span<const Queue::Holding> holdings) {
    const std::size_t held = queue.Touch(holdings, now, lease, &missed_);
    ArmTimer();
    return held;
  });
}

void QueueApi::Bury(const Request& request, Reply& reply) {
  if (!ReadTellsWhy(request, reply) || !ReadReceipts(request, reply)) return;
  if (!Admit(Work::kShrinks, reply)) return;
  Settle();
  ActOnReceipts("buried", reply, [this](Queue& queue, std::span<const Queue::Holding> holdings) {
    const std::size_t held = queue.Bury(holdings, &missed_);
    ArmTimer();  // a dead message's time to live may be over already
    return held;
  });
}

bool QueueApi::ReadReceipts(const Request& request, Reply& reply) {
  receipts_.clear();
  holdings_.clear();
  Queue* named = nullptr;
  if (!QueueToRead(request, reply, &named)) return false;
  const bool any_queue = !request.Param("queue");
  const auto parameter = request.Param("receipt");
  // The texts of the receipts are told again in the answer, so they must outlive this.
  if (parameter) receipt_parameter_ = *parameter;
  const std::string_view text = parameter ? receipt_parameter_ : PostBody(request);
  std::string_view wrong;
  Queue* queue = nullptr;  // of the receipt before, and most often of this one too
  std::uint32_t number = 0;
  ForEachReceiptLine(text, [&](std::string_view line) {
    const auto receipt = ParseReceipt(line);
    if (!receipt) {
      wrong = line;
      return false;
    }
    if (queue == nullptr || receipt->queue != number) queue = queues_.FindByNumber(receipt->queue);
    number = receipt->queue;
    const bool may_hold =
        queue != nullptr && receipt->epoch == epoch_ && (any_queue || queue == named);
    // Without a data path numbers began again with this process.
    const bool same_numbers = receipt->epoch == epoch_ || durability_ != nullptr;
    // What cannot hold is asked of a queue all the same, which counts it as missed.
    receipts_.push_back({queue != nullptr ? queue : &queues_.default_queue(), line,
                         queue != nullptr && same_numbers ? receipt->holding.id : 0});
    holdings_.push_back(may_hold ? receipt->holding : Queue::Holding());
    return true;
  });
  if (!wrong.empty()) {
    reply.Error(400, fmt::format("{}: {}", Shown(wrong), kReceiptRule));
  } else if (receipts_.empty()) {
    reply.Error(400, "no receipt: must come as receipt= or in the body of a POST, one a line");
  } else {
    return true;
  }
  return false;
}

bool QueueApi::ReadTellsWhy(const Request& request, Reply& reply) {
  const auto missed = request.Param("missed");
  tells_why_ = missed.has_value();
  if (!missed || *missed == "why") return true;
  reply.Error(400, fmt::format("missed: {}: must be why", Shown(*missed)));
  return false;
}

std::string_view QueueApi::WhyMissed(const HeldReceipt& receipt) {
  MessageInfo message;
  if (receipt.id == 0 || !receipt.queue->Find(receipt.id, &message)) return " gone";
  return message.state == MessageState::kDead ? " dead" : " stale";
}

template <typename Act>
void QueueApi::ActOnReceipts(std::string_view verb, Reply& reply, Act&& act) {
  std::size_t held = 0;
  text_.clear();
  for (std::size_t begin = 0, end = 0; begin < receipts_.size(); begin = end) {
    Queue& queue = *receipts_[begin].queue;
    while (end < receipts_.size() && receipts_[end].queue == &queue) ++end;
    missed_.clear();
    held += act(queue, std::span(holdings_).subspan(begin, end - begin));
    for (const std::size_t index : missed_) {
      const HeldReceipt& missed = receipts_[begin + index];
      text_.append(missed.text).append(tells_why_ ? WhyMissed(missed) : "").push_back('\n');
    }
  }
  Promise(reply);
  const std::string first = fmt::format("{} {}\n", verb, held);
  std::string* out = reply.BeginBody(200, kTextPlain, first.size() + text_.size());
  out->append(first).append(text_);
  TrimScratch();
  if (receipts_.capacity() > kKeptReceipts) {
    std::vector<HeldReceipt>().swap(receipts_);
    std::vector<Queue::Holding>().swap(holdings_);
  }
}

}  // namespace rivulet
