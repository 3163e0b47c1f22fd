#include "queuereader/child/store_frames.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "algorithms/bytes.h"
#include "base/frames.h"

namespace rivulet {
namespace {

constexpr auto kLastCode = static_cast<std::int64_t>(StatusCode::kUnknownOutcome);
constexpr auto kLastKind = static_cast<std::uint64_t>(StoreReply::Kind::kFailed);
constexpr std::chrono::milliseconds kMaxPatience = std::chrono::hours(24);
constexpr std::string_view kKinds = "ths";  // by StoreKind

void PutBytes(std::string* out, std::string_view bytes) {
  PutUint64(out, bytes.size());
  out->append(bytes);
}

std::string TakeBytes(ByteReader* bytes) { return std::string(bytes->Bytes(bytes->Uint64())); }

void PutReply(std::string* out, const StoreReply& reply) {
  PutUint64(out, static_cast<std::uint64_t>(reply.kind));
  PutUint64(out, static_cast<std::uint64_t>(reply.whole));
  PutDouble(out, reply.number);
  PutBytes(out, reply.text);
  PutUint64(out, reply.items.size());
  for (const StoreItem& item : reply.items) {
    PutBytes(out, item.name);
    PutBytes(out, item.text);
    PutDouble(out, item.number);
  }
  PutUint64(out, static_cast<std::uint64_t>(reply.status.code()));
  PutBytes(out, reply.status.message());
}

std::optional<StoreReply> TakeReply(ByteReader* bytes) {
  StoreReply reply;
  const std::uint64_t kind = bytes->Uint64();
  if (kind > kLastKind) return std::nullopt;
  reply.kind = static_cast<StoreReply::Kind>(kind);
  reply.whole = static_cast<std::int64_t>(bytes->Uint64());
  reply.number = bytes->Double();
  reply.text = TakeBytes(bytes);
  const std::uint64_t items = bytes->Uint64();
  for (std::uint64_t i = 0; i < items && bytes->ok(); ++i) {
    StoreItem item;
    item.name = TakeBytes(bytes);
    item.text = TakeBytes(bytes);
    item.number = bytes->Double();
    reply.items.push_back(std::move(item));
  }
  const std::uint64_t code = bytes->Uint64();
  std::string message = TakeBytes(bytes);
  if (!bytes->ok() || code > static_cast<std::uint64_t>(kLastCode)) return std::nullopt;
  if (code != 0) reply.status = Status(static_cast<StatusCode>(code), std::move(message));
  return reply;
}

/// The error that an answer tells, or OK.
Status StatusOf(std::string_view* body) {
  const char letter = body->empty() ? '\0' : body->front();
  if (letter != '\0') body->remove_prefix(1);
  if (letter == 'V') return {};
  if (letter != 'X') return {StatusCode::kCorrupt, "the store's answer is broken"};
  const auto code = HostNumber(TakeHostWord(body, ' '));
  const bool known = code && *code > 0 && *code <= kLastCode;
  return {known ? static_cast<StatusCode>(*code) : StatusCode::kCorrupt, std::string(*body)};
}

template <typename Value, typename Write>
std::string Answer(const Result<Value>& result, Write write) {
  if (!result.ok()) return RefuseStoreRequest(result.status());
  std::string body("V");
  write(&body, *result);
  std::string frame;
  AppendHostFrame(&frame, 'R', {body});
  return frame;
}

std::optional<std::string> AnswerBatch(std::string_view body, Store& store) {
  std::string_view head = TakeHostWord(&body, '\n');
  const std::string_view mode = TakeHostWord(&head, ' ');
  const auto patience = HostNumber(head);
  if ((mode != "p" && mode != "a") || (!patience && !head.empty())) return std::nullopt;
  if (patience && (*patience < 0 || *patience > kMaxPatience.count())) return std::nullopt;
  auto batch = StoreBatch::FromBytes(
      mode == "a" ? StoreBatch::Mode::kAtomic : StoreBatch::Mode::kPipelined, body);
  if (!batch) return std::nullopt;
  if (patience) batch->set_patience(std::chrono::milliseconds(*patience));
  return Answer(store.Run(*batch), [](std::string* out, const std::vector<StoreReply>& replies) {
    PutUint64(out, replies.size());
    for (const StoreReply& reply : replies) PutReply(out, reply);
  });
}

std::optional<std::string> AnswerKeys(std::string_view body, Store& store) {
  std::string_view head = TakeHostWord(&body, '\n');
  const std::string_view kind = TakeHostWord(&head, ' ');
  const auto most = HostNumber(head);
  if (kind.size() != 1 || kKinds.find(kind[0]) == kKinds.npos || !most || *most < 0) {
    return std::nullopt;
  }
  return Answer(store.Keys(body, static_cast<StoreKind>(kKinds.find(kind[0])),
                           static_cast<std::size_t>(*most)),
                [](std::string* out, const std::vector<std::string>& keys) {
                  for (const std::string& key : keys) AppendFrame(out, key);
                });
}

}  // namespace

void AppendStoreBatch(std::string* out, const StoreBatch& batch) {
  std::string head(batch.mode() == StoreBatch::Mode::kAtomic ? "a " : "p ");
  if (batch.patience()) {
    const auto patience =
        std::clamp(std::chrono::ceil<std::chrono::milliseconds>(*batch.patience()),
                   std::chrono::milliseconds(0), kMaxPatience);
    fmt::format_to(std::back_inserter(head), "{}", patience.count());
  }
  AppendHostFrame(out, 'B', {head, "\n", batch.bytes()});
}

void AppendStoreKeys(std::string* out, std::string_view prefix, StoreKind kind, std::size_t most) {
  const std::string head = fmt::format("{} {}\n", kKinds[static_cast<std::size_t>(kind)], most);
  AppendHostFrame(out, 'Q', {head, prefix});
}

std::optional<std::string> AnswerStoreRequest(const HostFrame& request, Store& store) {
  try {
    if (request.letter == 'B') return AnswerBatch(request.body, store);
    if (request.letter == 'Q') return AnswerKeys(request.body, store);
  } catch (const std::exception& error) {
    return RefuseStoreRequest(InvalidArgument(error.what()));
  }
  return std::nullopt;
}

std::string RefuseStoreRequest(const Status& why) {
  std::string frame;
  AppendHostFrame(&frame, 'R', {fmt::format("X{} ", static_cast<int>(why.code())), why.message()});
  return frame;
}

Result<std::vector<StoreReply>> ReadStoreReplies(std::string_view body) {
  if (Status status = StatusOf(&body); !status.ok()) return status;
  ByteReader bytes(body);
  const std::uint64_t count = bytes.Uint64();
  std::vector<StoreReply> replies;
  for (std::uint64_t i = 0; i < count && bytes.ok(); ++i) {
    auto reply = TakeReply(&bytes);
    if (!reply) break;
    replies.push_back(*std::move(reply));
  }
  if (!bytes.Finished() || replies.size() != count) {
    return Status(StatusCode::kCorrupt, "the store's answer is broken");
  }
  return replies;
}

Result<std::vector<std::string>> ReadStoreKeys(std::string_view body) {
  if (Status status = StatusOf(&body); !status.ok()) return status;
  const auto frames = ParseFrames(body);
  if (!frames.ok()) return Status(StatusCode::kCorrupt, "the store's answer is broken");
  return std::vector<std::string>(frames->begin(), frames->end());
}

}  // namespace rivulet
