#include "simplequeue/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/frames.h"
#include "base/log.h"
#include "base/names.h"
#include "base/units.h"
#include "http/reply.h"
#include "http/request.h"
#include "simplequeue/batch.h"
#include "simplequeue/dump.h"

namespace rivulet {

namespace {

constexpr std::size_t kKeptFront = 4096;
constexpr std::string_view kMissingData = "missing data";

// What a put without data= in the query brings, byte for byte. Empty counts as missing, because a
// reader could not tell an empty message from an empty queue.
std::string_view PostBody(const Request& request) {
  return request.method() == Method::kPost ? request.body() : std::string_view();
}

}  // namespace

QueueApi::QueueApi(Daemon& daemon, QueueOptions options)
    : daemon_(daemon),
      options_(std::move(options)),
      queues_({options_.max_depth, options_.max_bytes}, options_.max_queues) {
  logs_overflow_ =
      options_.overflow == "log" || (options_.overflow.empty() && !options_.overflow_log.empty());
}

Status QueueApi::Open() {
  return options_.overflow_log.empty() ? Status::Ok() : overflow_log_.Open(options_.overflow_log);
}

void QueueApi::Install() {
  Router& router = daemon_.router();
  router.Add(kActs, "/put", this, &QueueApi::Put);
  router.Add(kActsOrLooks, "/get", this, &QueueApi::Get);
  router.Add(kActs, "/mput", this, &QueueApi::MultiPut);
  router.Add(kActsOrLooks, "/mget", this, &QueueApi::MultiGet);
  router.Add(kLooks, "/dump", this, &QueueApi::Dump);
  router.Add(kLooks, "/stats", this, &QueueApi::Stats);
  if (options_.enable_exit) router.Add(kActs, "/exit", this, &QueueApi::Exit);
  daemon_.metrics().AddCollector([this](std::string* out) { WriteMetrics(out); });
}

void QueueApi::Reopen() {
  if (Status s = overflow_log_.Reopen(); !s.ok()) LogError("{}", s.message());
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

bool QueueApi::MakeRoom(Queue& queue, std::uint64_t messages, std::uint64_t bytes, Reply& reply) {
  if (queue.Fits(messages, bytes)) return true;
  const QueueLimits& limits = queue.limits();
  if (limits.max_bytes != 0 && bytes > limits.max_bytes) {
    reply.Error(413,
                fmt::format("{} bytes can never fit into --max-bytes={}", bytes, limits.max_bytes));
    return false;
  }
  if (!logs_overflow_) {
    reply.Error(503, fmt::format("queue {} is full: depth {} of --max-depth={}, {} bytes of "
                                 "--max-bytes={} (0: no bound)",
                                 queue.name(), queue.depth(), limits.max_depth, queue.bytes(),
                                 limits.max_bytes));
    return false;
  }
  while (!queue.Fits(messages, bytes)) {
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
  if (logged.ok()) queue.OverflowFront();
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
  if (!logs_overflow_) {
    if (limits.max_depth != 0 && batch->size() > limits.max_depth) {
      reply.Error(413, fmt::format("{} messages can never fit into --max-depth={}", batch->size(),
                                   limits.max_depth));
      return false;
    }
    return MakeRoom(queue, batch->size(), bytes, reply);
  }
  if (limits.max_bytes != 0 && largest > limits.max_bytes) {
    reply.Error(
        413, fmt::format("{} bytes can never fit into --max-bytes={}", largest, limits.max_bytes));
    return false;
  }
  // The oldest make room: those of the queue, then the batch's own first ones.
  std::size_t passed = 0;
  while (!queue.Fits(batch->size() - passed, bytes)) {
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

void QueueApi::Put(const Request& request, Reply& reply) {
  const auto data = request.Param("data");
  const std::string_view message = data ? std::string_view(*data) : PostBody(request);
  if (message.empty()) return reply.Error(400, kMissingData);
  Queue* queue = QueueToPut(request, reply);
  if (queue == nullptr || !MakeRoom(*queue, 1, message.size(), reply)) return;
  const std::uint64_t id = queue->Put(message);
  reply.AddHeader("X-Message-Id", fmt::format_int(id).c_str());
  reply.Text(200, {});
}

void QueueApi::MultiPut(const Request& request, Reply& reply) {
  const auto data = request.Param("data");
  const std::string_view batch = data ? std::string_view(*data) : PostBody(request);
  if (!data && batch.empty()) return reply.Error(400, kMissingData);
  const std::string separator = request.Param("separator").value_or(options_.mput_item_sep);
  if (separator.empty()) return reply.Error(400, "separator must not be empty");
  const auto format = request.Param("format");
  if (format && *format != "framed") return reply.Error(400, "format must be framed, or absent");
  std::vector<std::string_view> frames;
  if (format) {
    auto parsed = ParseFrames(batch);
    if (!parsed.ok()) return reply.Error(400, parsed.status().message());
    frames = std::move(parsed).value();
  }
  Queue* queue = QueueToPut(request, reply);
  if (queue == nullptr) return;
  const auto for_each = [&](auto&& each) {
    if (format) {
      for (const std::string_view frame : frames) {
        if (!frame.empty()) each(frame);
      }
    } else {
      ForEachRecord(batch, separator, each);
    }
  };
  if (queue->limits().max_depth == 0 && queue->limits().max_bytes == 0) {
    for_each([queue](std::string_view record) { queue->Put(record); });
    return reply.Text(200, {});
  }
  // All or nothing: there is room for all before the first is put.
  std::vector<std::string_view> records;
  for_each([&records](std::string_view record) { records.push_back(record); });
  if (!MakeRoomForBatch(*queue, &records, reply)) return;
  for (const std::string_view record : records) queue->Put(record);
  reply.Text(200, {});
}

void QueueApi::Get(const Request& request, Reply& reply) {
  Queue* queue = nullptr;
  if (!QueueToRead(request, reply, &queue)) return;
  Queue::Cursor cursor;
  Queue::Message message;
  if (queue == nullptr || !queue->Next(&cursor, &message)) return reply.Text(200, {});
  reply.Body(200, kOctetStream, message.body);
  if (!request.is_head()) queue->TakeFront();
}

void QueueApi::MultiGet(const Request& request, Reply& reply) {
  const auto items = ParseUint(request.Param("items").value_or("1"));
  if (!items.ok() || *items == 0) return reply.Error(400, "number of items must be > 0");
  const auto format = request.Param("format");
  if (format && *format != "framed") return reply.Error(400, "format must be framed, or absent");
  const std::string separator = request.Param("separator").value_or(options_.mget_item_sep);
  Queue* queue = nullptr;
  if (!QueueToRead(request, reply, &queue)) return;
  if (queue == nullptr) return reply.Text(200, {});
  const std::uint64_t wanted =
      options_.max_mget == 0 ? *items : std::min(*items, options_.max_mget);

  queue->Front(wanted, &front_);
  std::size_t bytes = 0;
  for (const Queue::Message& message : front_) {
    bytes += format ? FrameBytes(message.body) : message.body.size();
  }
  // A separator after every message but the last one of as many as were wanted.
  const std::size_t separators = front_.size() == wanted ? front_.size() - 1 : front_.size();
  if (!format) bytes += separators * separator.size();
  std::string* out = reply.BeginBody(200, kOctetStream, bytes);
  if (out == nullptr) return;
  for (std::size_t i = 0; i < front_.size(); ++i) {
    if (format) {
      AppendFrame(out, front_[i].body);
    } else {
      out->append(front_[i].body);
      if (i < separators) out->append(separator);
    }
  }
  queue->Take(front_);
  if (front_.capacity() > kKeptFront) std::vector<Queue::Message>().swap(front_);
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

Status QueueApi::FlushToOverflowLog() {
  if (!overflow_log_.open()) return Status::Ok();
  for (const auto& [name, queue] : queues_.all()) {
    while (queue->depth() > 0) {
      if (Status s = MoveOldestToLog(*queue); !s.ok()) return s;
    }
  }
  return Status::Ok();
}

}  // namespace rivulet
