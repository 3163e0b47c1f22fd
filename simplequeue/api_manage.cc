// For who looks after the queues: dead letters, looking, pausing, emptying.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/log.h"
#include "http/reply.h"
#include "http/request.h"
#include "simplequeue/api.h"
#include "simplequeue/dump.h"
#include "simplequeue/params.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kMaxPeek = 1000;
constexpr std::size_t kMaxPeekBytes = 4 << 20;

// By MessageState.
constexpr std::array<std::string_view, 4> kStateNames = {"ready", "in_flight", "deferred", "dead"};
constexpr std::string_view kAllStates = "all";

// "ready" when absent. With `*all`, that is a state too. Answers the error.
bool StateParam(const Request& request, Reply& reply, MessageState* state, bool* all) {
  *state = MessageState::kReady;
  const auto name = request.Param("state");
  if (!name) return true;
  const auto* const found = std::find(kStateNames.begin(), kStateNames.end(), *name);
  if (found != kStateNames.end()) {
    *state = static_cast<MessageState>(found - kStateNames.begin());
    return true;
  }
  if (all != nullptr && *name == kAllStates) {
    *all = true;
    return true;
  }
  reply.Error(400, fmt::format("state={}: must be {}{}", Shown(*name), fmt::join(kStateNames, ", "),
                               all != nullptr ? " or all" : ""));
  return false;
}

void AppendPeeked(std::string* out, const MessageInfo& message, const UnixTimes& times) {
  fmt::format_to(std::back_inserter(*out), R"({{"id": {},"state": "{}","attempts": {},"put_at": )",
                 message.id, kStateNames[static_cast<std::size_t>(message.state)],
                 message.attempts);
  AppendUnixTime(out, times.At(message.put_at));
  out->append(",\"due\": ");
  if (message.state == MessageState::kInFlight || message.state == MessageState::kDeferred) {
    AppendUnixTime(out, times.At(message.due));
  } else {
    out->append("null");
  }
  out->push_back(',');
  AppendBodyMember(out, message.body);
  out->append("}\n");
}

std::string CountLine(std::string_view verb, std::uint64_t count) {
  return fmt::format("{} {}\n", verb, count);
}

}  // namespace

void QueueApi::Kick(const Request& request, Reply& reply) {
  std::uint64_t items = 0;
  Queue* queue = nullptr;
  if (!ItemsParam(request, reply, &items) || !QueueToRead(request, reply, &queue)) return;
  if (!Admit(Work::kShrinks, reply)) return;
  std::uint64_t kicked = 0;
  if (queue != nullptr) {
    kicked = queue->Kick(items);
    Wake(*queue);
    Promise(reply);
  }
  reply.Text(200, CountLine("kicked", kicked));
}

void QueueApi::Peek(const Request& request, Reply& reply) {
  std::uint64_t items = 0;
  MessageState state{};
  Queue* queue = nullptr;
  if (!ItemsParam(request, reply, &items) || !StateParam(request, reply, &state, nullptr) ||
      !QueueToRead(request, reply, &queue)) {
    return;
  }
  Settle();
  std::vector<MessageInfo> messages;
  if (queue != nullptr) queue->Peek(state, std::min(items, kMaxPeek), &messages);
  const UnixTimes times(daemon_.clock());
  std::size_t body_bytes = 0;
  for (const MessageInfo& message : messages) {
    body_bytes += message.body.size();
    if (!text_.empty() && body_bytes > kMaxPeekBytes) break;
    AppendPeeked(&text_, message, times);
  }
  reply.Body(200, "application/x-ndjson", text_);
  TrimScratch();
}

void QueueApi::Pause(const Request& request, Reply& reply) {
  if (!Admit(Work::kShrinks, reply)) return;
  // Also before the first put: so nothing leaves until all is set up.
  Queue* queue = QueueToPut(request, reply);
  if (queue == nullptr) return;
  queue->SetPaused(true);
  Promise(reply);
  reply.Text(200, {});
}

void QueueApi::Unpause(const Request& request, Reply& reply) {
  Queue* queue = nullptr;
  if (!QueueToRead(request, reply, &queue) || !Admit(Work::kShrinks, reply)) return;
  if (queue != nullptr) {
    queue->SetPaused(false);
    Wake(*queue);
    Promise(reply);
  }
  reply.Text(200, {});
}

void QueueApi::Empty(const Request& request, Reply& reply) {
  MessageState state{};
  bool all = false;
  Queue* queue = nullptr;
  if (!StateParam(request, reply, &state, &all) || !QueueToRead(request, reply, &queue)) return;
  if (!Admit(Work::kShrinks, reply)) return;
  Settle();
  std::uint64_t emptied = 0;
  if (queue != nullptr) {
    for (std::size_t i = 0; i < kStateNames.size(); ++i) {
      const auto each = static_cast<MessageState>(i);
      if (all || each == state) emptied += queue->Empty(each);
    }
    Promise(reply);
  }
  reply.Text(200, CountLine("emptied", emptied));
}

void QueueApi::Queues(const Request& request, Reply& reply) {
  const auto format = request.Param("format");
  if (format && *format != "json") return reply.Error(400, "format must be json, or absent");
  const char* before = "[";
  for (const auto& [name, queue] : queues_.all()) {
    if (format) {
      text_.append(before).append("{\"name\": ");
      AppendJsonString(&text_, name);
      fmt::format_to(std::back_inserter(text_),
                     R"(,"ready": {},"in_flight": {},"deferred": {},"dead": {},"paused": {}}})",
                     queue->depth(), queue->in_flight(), queue->deferred(), queue->dead(),
                     queue->paused());
      before = ",\n";
    } else {
      fmt::format_to(std::back_inserter(text_),
                     "{} ready:{} in_flight:{} deferred:{} dead:{} paused:{}\n", name,
                     queue->depth(), queue->in_flight(), queue->deferred(), queue->dead(),
                     queue->paused() ? 1 : 0);
    }
  }
  if (format) text_.append("]\n");
  reply.Body(200, format ? kApplicationJson : kTextPlain, text_);
  TrimScratch();
}

void QueueApi::Dump(const Request& request, Reply& reply) {
  Queue* queue = nullptr;
  if (!QueueToRead(request, reply, &queue)) return;
  if (queue == nullptr || queue->depth() == 0) return reply.Text(200, {});
  reply.Stream(kOctetStream, MakeDumpSource(*queue));
}

void QueueApi::Exit(const Request&, Reply& reply) {
  LogInfo("/exit asked for");
  reply.Text(200, {});
  daemon_.loop().Post([this] { daemon_.Stop(); });
}

}  // namespace rivulet
