#include "store/memory_store.h"

#include <fmt/format.h>

#include <cmath>
#include <random>
#include <stdexcept>
#include <utility>

#include "store/memory_commands.h"
#include "store/memory_saved.h"
#include "store/store_ops.h"
#include "store/store_text.h"

namespace rivulet {
namespace {

KeySeed RandomSeed() {
  std::random_device random;
  const auto word = [&] { return (std::uint64_t{random()} << 32) | random(); };
  return {word(), word()};
}

const Clock& TheSystemClock() {
  static const SystemClock clock;
  return clock;
}

/// As StoreBatch does, for the short ways.
void CheckSizes(std::string_view key, std::string_view field, std::size_t value_bytes) {
  if (key.size() > StoreBatch::kMaxBytes || field.size() > StoreBatch::kMaxBytes ||
      value_bytes > StoreBatch::kMaxValueBytes) {
    throw std::length_error("a store takes keys and fields of at most 1 MiB, values of 256 MiB");
  }
}

}  // namespace

MemoryStore::MemoryStore() : MemoryStore(TheSystemClock()) {}
MemoryStore::MemoryStore(const Clock& clock)
    : clock_(&clock), commands_(std::make_unique<MemoryCommands>(clock, RandomSeed())) {}
MemoryStore::~MemoryStore() = default;

void MemoryStore::Begin() {
  commands_->held().Begin();
  commands_->held().Sweep();
}

void MemoryStore::Count(std::uint64_t done, std::uint64_t failed) {
  // One thread writes: no locked instruction is needed.
  const auto set = [](auto* count, std::uint64_t value) {
    count->store(value, std::memory_order_relaxed);
  };
  set(&done_, done_.load(std::memory_order_relaxed) + done);
  if (failed > 0) set(&failed_, failed_.load(std::memory_order_relaxed) + failed);
  set(&keys_, commands_->held().size());
  set(&bytes_, bytes());
}

template <typename Answer>
Answer MemoryStore::Counted(Answer answer) {
  const bool ok = answer.ok();
  Count(ok ? 1 : 0, ok ? 0 : 1);
  return answer;
}

Result<std::vector<StoreReply>> MemoryStore::Run(const StoreBatch& batch) {
  Begin();
  if (batch.mode() == StoreBatch::Mode::kAtomic) return RunAtomic(batch);
  std::vector<StoreReply> replies(batch.size());
  std::uint64_t failed = 0;
  StoreBatch::Reader reader(batch);
  StoreCommand command;
  for (StoreReply& reply : replies) {
    reader.Next(&command);
    Status status =
        IsOfAtomic(command.op) ? OnlyAtomic(command.key) : commands_->Do(command, &reply);
    if (status.ok()) continue;
    reply.kind = StoreReply::Kind::kFailed;
    reply.status = std::move(status);
    ++failed;
  }
  Count(replies.size() - failed, failed);
  return replies;
}

Result<std::vector<StoreReply>> MemoryStore::RunAtomic(const StoreBatch& batch) {
  commands_->once().Sweep(commands_->held().now_ms());
  StoreCommand command;
  const auto refuse = [&](Status status) {
    commands_->undo().Revert(&commands_->held(), &commands_->once());
    Count(0, batch.size());
    return status;
  };
  for (StoreBatch::Reader reader(batch); reader.Next(&command);) {
    if (!IsRequirement(command.op)) continue;
    if (Status status = commands_->Require(command); !status.ok()) return refuse(status);
  }
  std::vector<StoreReply> replies(batch.size());
  commands_->undo().Open();
  StoreBatch::Reader reader(batch);
  bool skipping = false;
  for (StoreReply& reply : replies) {
    reader.Next(&command);
    if (command.op == StoreOp::kOnce) skipping = false;
    if (skipping && !IsRequirement(command.op)) {
      reply.kind = StoreReply::Kind::kSkipped;
      continue;
    }
    if (Status status = commands_->Do(command, &reply); !status.ok()) return refuse(status);
    if (IsGate(command.op) && reply.whole == 0) skipping = true;
  }
  commands_->undo().Close();
  Count(replies.size(), 0);
  return replies;
}

Result<std::vector<std::string>> MemoryStore::Keys(std::string_view prefix, StoreKind kind,
                                                   std::size_t most) {
  Begin();
  std::vector<std::string> found;
  const bool own = prefix.starts_with(StoreBatch::kOwnPrefix);
  bool more = false;
  commands_->held().ForEach([&](std::string_view key, HeldValue& value) {
    if (more || !key.starts_with(prefix)) return;
    if (!own && key.starts_with(StoreBatch::kOwnPrefix)) return;
    const bool is = kind == StoreKind::kText   ? value.scalar() != nullptr
                    : kind == StoreKind::kHash ? value.hash() != nullptr
                                               : value.sorted() != nullptr;
    if (!is) return;
    more = found.size() == most;
    if (!more) found.emplace_back(key);
  });
  if (!more) return Counted(Result<std::vector<std::string>>(std::move(found)));
  return Counted(Result<std::vector<std::string>>(
      Status(StatusCode::kTooLarge,
             fmt::format("more than {} keys begin with {}", most, ShownBytes(prefix)))));
}

Result<std::optional<std::string>> MemoryStore::Get(std::string_view key) {
  CheckSizes(key, {}, 0);
  Begin();
  StoreReply reply;
  const Status status = commands_->Do({StoreOp::kGet, key}, &reply);
  if (!status.ok()) return Counted(Result<std::optional<std::string>>(status));
  std::optional<std::string> text;
  if (reply.kind == StoreReply::Kind::kText) text = std::move(reply.text);
  return Counted(Result<std::optional<std::string>>(std::move(text)));
}

Status MemoryStore::Set(std::string_view key, std::string_view value) {
  CheckSizes(key, {}, value.size());
  Begin();
  StoreReply reply;
  return Counted(commands_->Do({StoreOp::kSet, key, {}, value}, &reply));
}

Status MemoryStore::Delete(std::string_view key) {
  CheckSizes(key, {}, 0);
  Begin();
  StoreReply reply;
  return Counted(commands_->Do({StoreOp::kDelete, key}, &reply));
}

Result<std::int64_t> MemoryStore::Increment(std::string_view key, std::int64_t by) {
  CheckSizes(key, {}, 0);
  Begin();
  return Counted(commands_->IncrementKey(key, by));
}

Result<std::int64_t> MemoryStore::HashIncrement(std::string_view key, std::string_view field,
                                                std::int64_t by) {
  CheckSizes(key, field, 0);
  Begin();
  return Counted(commands_->IncrementField(key, field, by));
}

Result<double> MemoryStore::SortedAdd(std::string_view key, std::string_view member, double by) {
  CheckSizes(key, member, 0);
  if (!std::isfinite(by)) throw std::invalid_argument("a store takes finite numbers");
  Begin();
  return Counted(commands_->AddScore(key, member, by));
}

StoreReport MemoryStore::Report() const {
  StoreReport report;
  report.url = "memory:";
  report.commands = done_.load(std::memory_order_relaxed);
  report.failed = failed_.load(std::memory_order_relaxed);
  report.keys = keys_.load(std::memory_order_relaxed);
  report.bytes = bytes_.load(std::memory_order_relaxed);
  return report;
}

std::size_t MemoryStore::size() const { return commands_->held().size(); }
std::size_t MemoryStore::bytes() const {
  return commands_->held().bytes() + commands_->once().bytes();
}

std::string MemoryStore::Save() const {
  commands_->held().Begin();
  return SaveMemory(*commands_);
}

Status MemoryStore::Load(std::string_view saved) {
  auto loaded = std::make_unique<MemoryCommands>(*clock_, RandomSeed());
  if (Status status = LoadMemory(saved, loaded.get()); !status.ok()) return status;
  commands_ = std::move(loaded);
  Count(0, 0);
  return {};
}

}  // namespace rivulet
