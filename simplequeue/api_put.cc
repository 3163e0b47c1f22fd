// /put and /mput, and the room for what they bring.
#include <fmt/format.h>

#include <algorithm>

#include "base/frames.h"
#include "base/log.h"
#include "http/reply.h"
#include "http/request.h"
#include "simplequeue/api.h"
#include "simplequeue/batch.h"
#include "simplequeue/params.h"

namespace rivulet {

namespace {

constexpr std::string_view kMissingData = "missing data";
constexpr std::size_t kMaxKeyBytes = 256;

// Whether so much fits once all ready messages have made room: what is in flight, deferred and dead
// stays.
bool FitsWithoutReady(const Queue& queue, std::uint64_t messages, std::uint64_t bytes) {
  const QueueLimits& limits = queue.limits();
  return (limits.max_depth == 0 || queue.held() - queue.depth() + messages <= limits.max_depth) &&
         (limits.max_bytes == 0 || queue.held_bytes() - queue.bytes() + bytes <= limits.max_bytes);
}

}  // namespace

void QueueApi::Put(const Request& request, Reply& reply) {
  const auto data = request.Param("data");
  // Empty counts as missing, because a reader could not tell an empty message from an empty queue.
  const std::string_view message = data ? std::string_view(*data) : PostBody(request);
  if (message.empty()) return reply.Error(400, kMissingData);
  Queue::PutOptions options;
  std::optional<std::string> key;
  if (!request.query().empty()) {
    key = request.Param("key");
    if (!ParsePut(request, reply, &options) || (key && !CheckKey(*key, reply))) return;
    if (key) options.key = *key;
  }
  if (!Admit(Work::kGrows, reply)) return;
  Queue* queue = QueueToPut(request, reply);
  if (queue == nullptr) return;
  const MonoTime now = daemon_.clock().Now();
  if (key && AnswerKey(*queue, *key, now, reply)) return;
  if (!MakeRoom(*queue, 1, message.size(), reply)) return;
  const std::uint64_t id = queue->Put(message, now, options);
  Added(*queue, options);
  Promise(reply);
  reply.AddHeader("X-Message-Id", fmt::format_int(id).c_str());
  reply.Text(200, {});
}

bool QueueApi::ParsePut(const Request& request, Reply& reply, Queue::PutOptions* options) {
  const DurationBounds delay{Duration::zero(), kLongestTime, {}};
  const DurationBounds ttl{std::chrono::milliseconds(1), kLongestTime, {}};
  return DurationParam(request, reply, "delay", delay, &options->delay) &&
         DurationParam(request, reply, "ttl", ttl, &options->ttl);
}

bool QueueApi::CheckKey(const std::string& key, Reply& reply) const {
  if (options_.dedupe_window == Duration::zero()) {
    reply.Error(400,
                "key: nothing remembers keys: must come with --dedupe-window=TIME, such as "
                "10m, when the daemon is started");
    return false;
  }
  if (!key.empty() && key.size() <= kMaxKeyBytes) return true;
  reply.Error(
      400, fmt::format("key={}: {} bytes: must be 1 to {}", Shown(key), key.size(), kMaxKeyBytes));
  return false;
}

bool QueueApi::AnswerKey(Queue& queue, const std::string& key, MonoTime now, Reply& reply) {
  if (const auto id = queue.FindDuplicate(key, now)) {
    // What the first put promised may not be safe yet.
    Promise(reply);
    reply.AddHeader("X-Message-Id", fmt::format_int(*id).c_str());
    reply.AddHeader("X-Duplicate", "1");
    reply.Text(200, {});
    return true;
  }
  if (queue.FitsKey(now)) return false;
  reply.Error(503, fmt::format("queue {} remembers --max-keys={} keys already", queue.name(),
                               queue.limits().max_keys));
  return true;
}

void QueueApi::Added(Queue& queue, const Queue::PutOptions& options) {
  if (options.delay == Duration::zero()) Wake(queue);
  if (options.delay != Duration::zero() || options.ttl != Duration::zero()) ArmTimer();
}

void QueueApi::MultiPut(const Request& request, Reply& reply) {
  const auto data = request.Param("data");
  const std::string_view batch = data ? std::string_view(*data) : PostBody(request);
  if (!data && batch.empty()) return reply.Error(400, kMissingData);
  const std::string separator = request.Param("separator").value_or(options_.mput_item_sep);
  if (separator.empty()) return reply.Error(400, "separator must not be empty");
  const auto format = request.Param("format");
  if (format && *format != "framed") return reply.Error(400, "format must be framed, or absent");
  if (request.Param("key")) return reply.Error(400, "key: /mput takes none, /put does");
  Queue::PutOptions options;
  if (!ParsePut(request, reply, &options)) return;
  std::vector<std::string_view> frames;
  if (format) {
    auto parsed = ParseFrames(batch);
    if (!parsed.ok()) return reply.Error(400, parsed.status().message());
    frames = std::move(parsed).value();
    // Between separators nothing is no message; a frame of 0 bytes was meant as one.
    const auto empty = std::ranges::find_if(frames, &std::string_view::empty);
    if (empty != frames.end()) {
      return reply.Error(400, fmt::format("missing data: frame {} of {} is empty, and a queue "
                                          "holds no empty message",
                                          empty - frames.begin() + 1, frames.size()));
    }
  }
  if (!Admit(Work::kGrows, reply)) return;
  Queue* queue = QueueToPut(request, reply);
  if (queue == nullptr) return;
  const auto for_each = [&](auto&& each) {
    if (format) {
      for (const std::string_view frame : frames) each(frame);
    } else {
      ForEachRecord(batch, separator, each);
    }
  };
  const MonoTime now = daemon_.clock().Now();
  const auto put = [&](std::string_view record) { queue->Put(record, now, options); };
  if (queue->limits().max_depth == 0 && queue->limits().max_bytes == 0) {
    for_each(put);
  } else {
    // All or nothing: there is room for all before the first is put.
    std::vector<std::string_view> records;
    for_each([&records](std::string_view record) { records.push_back(record); });
    if (!MakeRoomForBatch(*queue, &records, reply)) return;
    std::for_each(records.begin(), records.end(), put);
  }
  Added(*queue, options);
  Promise(reply);
  reply.Text(200, {});
}

void QueueApi::AnswerFull(const Queue& queue, Reply& reply) const {
  const QueueLimits& limits = queue.limits();
  reply.Error(503, fmt::format("queue {} is full: it holds {} messages ({} ready) of "
                               "--max-depth={}, {} bytes of --max-bytes={} (0: no bound)",
                               queue.name(), queue.held(), queue.depth(), limits.max_depth,
                               queue.held_bytes(), limits.max_bytes));
}

bool QueueApi::MakeRoom(Queue& queue, std::uint64_t messages, std::uint64_t bytes, Reply& reply) {
  if (queue.Fits(messages, bytes)) return true;
  const QueueLimits& limits = queue.limits();
  if (limits.max_bytes != 0 && bytes > limits.max_bytes) {
    reply.Error(413,
                fmt::format("{} bytes can never fit into --max-bytes={}", bytes, limits.max_bytes));
    return false;
  }
  if (!logs_overflow_ || !FitsWithoutReady(queue, messages, bytes)) {
    AnswerFull(queue, reply);
    return false;
  }
  while (!queue.Fits(messages, bytes) && queue.depth() > 0) {
    if (!OverflowOldest(queue, reply)) return false;
  }
  return true;
}

bool QueueApi::OverflowOldest(Queue& queue, Reply& reply) {
  const Status moved = MoveOldestToLog(queue);
  if (moved.ok()) return true;
  LogError("{}", moved.message());
  reply.Error(507, moved.message());
  return false;
}

Status QueueApi::MoveOldestToLog(Queue& queue) {
  Queue::Cursor cursor;
  Queue::Message oldest;
  queue.Next(&cursor, &oldest);
  Status logged = overflow_log_.Append(oldest.body);
  if (logged.ok()) {
    queue.OverflowFront();
    NoteTaken(queue);
  }
  return logged;
}

bool QueueApi::MakeRoomForBatch(Queue& queue, std::vector<std::string_view>* batch, Reply& reply) {
  const QueueLimits& limits = queue.limits();
  std::uint64_t bytes = 0;
  std::uint64_t largest = 0;
  for (const std::string_view message : *batch) {
    bytes += message.size();
    largest = std::max<std::uint64_t>(largest, message.size());
  }
  if (logs_overflow_) {
    if (limits.max_bytes == 0 || largest <= limits.max_bytes) {
      return PassToLog(queue, batch, bytes, reply);
    }
    bytes = largest;
  } else if (limits.max_depth != 0 && batch->size() > limits.max_depth) {
    reply.Error(413, fmt::format("{} messages can never fit into --max-depth={}", batch->size(),
                                 limits.max_depth));
    return false;
  }
  return MakeRoom(queue, batch->size(), bytes, reply);
}

// The oldest make room: those of the queue, then the batch's own first ones.
bool QueueApi::PassToLog(Queue& queue, std::vector<std::string_view>* batch, std::uint64_t bytes,
                         Reply& reply) {
  if (batch->empty()) return true;
  if (!FitsWithoutReady(queue, 1, batch->back().size())) {
    AnswerFull(queue, reply);
    return false;
  }
  std::size_t passed = 0;
  while (passed < batch->size() && !queue.Fits(batch->size() - passed, bytes)) {
    if (queue.depth() > 0) {
      if (!OverflowOldest(queue, reply)) return false;
      continue;
    }
    const std::string_view message = (*batch)[passed++];
    if (Status s = overflow_log_.Append(message); !s.ok()) {
      LogError("{}", s.message());
      reply.Error(507, s.message());
      return false;
    }
    bytes -= message.size();
  }
  queue.CountPassed(passed);
  batch->erase(batch->begin(), batch->begin() + static_cast<std::ptrdiff_t>(passed));
  return true;
}

}  // namespace rivulet
