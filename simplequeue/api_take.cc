// /get and /mget: messages for good or under a lease, now or when one comes.
#include <fmt/format.h>

#include "http/reply.h"
#include "http/request.h"
#include "simplequeue/api.h"
#include "simplequeue/durability.h"

namespace rivulet {

namespace {

constexpr std::size_t kKeptMessages = 4096;
constexpr std::size_t kKeptText = 1 << 20;
constexpr std::string_view kMessageIds = "X-Message-Ids";
constexpr std::string_view kFormat = "X-Format";
constexpr std::string_view kFramed = "framed";
constexpr Duration kLookAgain = std::chrono::seconds(1);

std::string_view ContentType(const Taking& taking) {
  return taking.format == Taking::Format::kJson ? kApplicationJson : kOctetStream;
}

// What there is for an empty queue to answer.
std::string_view NothingBody(const Taking& taking) {
  return taking.format == Taking::Format::kJson && !taking.leases() ? "[]\n" : std::string_view();
}

bool HasReady(const Queue* queue) {
  return queue != nullptr && queue->depth() > 0 && !queue->paused();
}

template <typename T>
void TrimTo(std::size_t kept, T* scratch) {
  scratch->clear();
  if (scratch->capacity() > kept) T().swap(*scratch);
}

}  // namespace

void QueueApi::Get(const Request& request, Reply& reply) {
  Taking taking;
  if (ParseTaking(request, reply, options_, false, &taking)) Take(request, reply, taking);
}

void QueueApi::MultiGet(const Request& request, Reply& reply) {
  Taking taking;
  if (ParseTaking(request, reply, options_, true, &taking)) Take(request, reply, taking);
}

void QueueApi::Take(const Request& request, Reply& reply, Taking& taking) {
  Queue* queue = nullptr;
  if (!QueueToRead(request, reply, &queue)) return;
  if (request.is_head()) return Look(queue, taking, reply);
  const bool ready = HasReady(queue);
  if (ready && !Admit(Work::kShrinks, reply)) return;
  if (polls_.any() || !ready) {
    const std::string name = request.Param("queue").value_or(std::string(kDefaultQueue));
    // Who comes while others wait takes its place behind them, and does not wait longer than asked.
    if (ready ? polls_.HasLine(name) : taking.wait != Duration::zero()) {
      const MonoTime until = daemon_.clock().Now() + taking.wait;
      polls_.Add(name, {reply.Defer(), std::move(taking)}, until);
      if (ready) polls_.Wake(name);
      return;
    }
    if (!ready) return AnswerNothing(taking, reply);
  }
  if (taking.leases()) {
    LeaseNow(*queue, taking, reply);
  } else {
    TakeNow(*queue, taking, reply);
  }
}

void QueueApi::AnswerNothing(const Taking& taking, Reply& reply) const {
  TellForm(taking, reply);
  reply.Body(taking.leases() ? 204 : 200, ContentType(taking), NothingBody(taking));
}

void QueueApi::TellForm(const Taking& taking, Reply& reply) const {
  if (taking.format == Taking::Format::kFramed) reply.AddHeader(kFormat, kFramed);
  if (taking.leases()) reply.AddHeader(kMessageIds, message_ids_);
}

std::string QueueApi::FormFields(const Taking& taking) const {
  std::string fields;
  if (taking.format == Taking::Format::kFramed) {
    fields = fmt::format("{}: {}\r\n", kFormat, kFramed);
  }
  if (taking.leases()) fields += fmt::format("{}: {}\r\n", kMessageIds, message_ids_);
  return fields;
}

void QueueApi::Look(const Queue* queue, const Taking& taking, Reply& reply) {
  if (!HasReady(queue)) return AnswerNothing(taking, reply);
  queue->Front(taking.items, &front_);
  text_.clear();
  AppendMessages(&text_, taking, *queue, UnixTimes(daemon_.clock()), front_);
  TellForm(taking, reply);
  reply.Body(200, ContentType(taking), text_);
  TrimScratch();
}

// Without a journal the bodies go with the messages, so they are written before; with one they stay
// until the journal says that they may go, and the answer must know what it waits for.
void QueueApi::TakeNow(Queue& queue, const Taking& taking, Reply& reply) {
  const bool durable = durability_ != nullptr;
  if (!taking.many) {
    Queue::Cursor cursor;
    Queue::Message message;
    queue.Next(&cursor, &message);
    if (durable) {
      queue.TakeFront();
      NoteTaken(queue);
      Promise(reply);
    }
    reply.Body(200, kOctetStream, message.body);
    if (!durable) queue.TakeFront();
    return;
  }
  queue.Front(taking.items, &front_);
  const bool json = taking.format == Taking::Format::kJson;
  if (json) {
    // Before the messages go, because it tells more of them than their bodies.
    AppendMessages(&text_, taking, queue, UnixTimes(daemon_.clock()), front_);
  }
  if (durable) {
    queue.Take(front_);
    NoteTaken(queue);
    Promise(reply);
  }
  if (json) {
    reply.Body(200, kApplicationJson, text_);
  } else {
    TellForm(taking, reply);
    std::string* out = reply.BeginBody(200, kOctetStream, MessagesBytes(taking, front_));
    AppendMessages(out, taking, queue, {}, front_);
  }
  if (!durable) queue.Take(front_);
  TrimScratch();
}

void QueueApi::LeaseNow(Queue& queue, const Taking& taking, Reply& reply) {
  LeaseReady(queue, taking);
  Promise(reply);
  TellForm(taking, reply);
  const UnixTimes times(daemon_.clock());
  if (taking.many) {
    AppendLeases(&text_, taking, queue, epoch_, times, leases_);
    reply.Body(200, ContentType(taking), text_);
  } else {
    LeaseFields(queue, epoch_, times, leases_.front())
        .ForEach([&reply](std::string_view name, std::string_view value) {
          reply.AddHeader(name, value);
        });
    reply.Body(200, kOctetStream, leases_.front().body);
  }
  TrimScratch();
}

void QueueApi::LeaseReady(Queue& queue, const Taking& taking) {
  queue.LeaseFront(taking.items, daemon_.clock().Now(), taking.lease, &leases_);
  ArmTimer();
}

bool QueueApi::ServePoll(const std::string& name, LongPoll& poll) {
  Queue* const queue = queues_.Find(name);
  if (!HasReady(queue)) return false;
  if (!Admits(Work::kShrinks)) {
    // Room may come without our being told.
    if (!wake_refused_.active()) wake_refused_.Start(kLookAgain);
    return false;
  }
  if (!poll.reply.Reachable()) return true;
  const Taking& taking = poll.taking;
  const UnixTimes times(daemon_.clock());
  std::string fields = FormFields(taking);
  if (!taking.leases()) {
    queue->Front(taking.items, &front_);
    AppendMessages(&text_, taking, *queue, times, front_);
    queue->Take(front_);
    NoteTaken(*queue);
  } else {
    LeaseReady(*queue, taking);
    if (taking.many) {
      AppendLeases(&text_, taking, *queue, epoch_, times, leases_);
    } else {
      LeaseFields(*queue, epoch_, times, leases_.front())
          .ForEach([&fields](std::string_view name_of, std::string_view value) {
            fields.append(name_of).append(": ").append(value).append("\r\n");
          });
      text_.assign(leases_.front().body);
    }
  }
  if (durability_ != nullptr) poll.reply.HoldUntil(durability_->last_commit());
  poll.reply.Send(200, ContentType(taking), text_, fields);
  TrimScratch();
  return true;
}

void QueueApi::EndPoll(LongPoll& poll) const {
  const Taking& taking = poll.taking;
  poll.reply.Send(taking.leases() ? 204 : 200, ContentType(taking), NothingBody(taking),
                  FormFields(taking));
}

void QueueApi::TrimScratch() {
  TrimTo(kKeptMessages, &front_);
  TrimTo(kKeptMessages, &leases_);
  TrimTo(kKeptText, &text_);
}

}  // namespace rivulet
