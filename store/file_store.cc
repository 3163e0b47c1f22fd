#include "store/file_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "store/store_ops.h"

namespace rivulet {

namespace {

/// Mode and time; then the commands.
constexpr std::size_t kRecordHeadBytes = 9;
constexpr std::uint64_t kMostRecordBytes = std::uint64_t{1} << 30;

/// Of one thread, read by others.
void Bump(std::atomic<std::uint64_t>* count, std::uint64_t by = 1) {
  count->store(count->load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

bool MayChange(const StoreBatch& batch) {
  StoreBatch::Reader reader(batch);
  StoreCommand command;
  while (reader.Next(&command)) {
    if (!OnlyReads(command.op)) return true;
  }
  return false;
}

/// What was skipped, or failed, is not worth a record.
bool Changed(const StoreBatch& batch, const std::vector<StoreReply>& replies) {
  StoreBatch::Reader reader(batch);
  StoreCommand command;
  for (const StoreReply& reply : replies) {
    if (!reader.Next(&command)) break;
    const bool done =
        reply.kind != StoreReply::Kind::kFailed && reply.kind != StoreReply::Kind::kSkipped;
    if (done && !OnlyReads(command.op)) return true;
  }
  return false;
}

}  // namespace

template <typename Answer>
Answer FileStore::Counted(Answer answer) {
  Bump(answer.ok() ? &commands_ : &failed_);
  return answer;
}

/// A run counts as its commands do.
Result<std::vector<StoreReply>> FileStore::CountedRun(Result<std::vector<StoreReply>> replies,
                                                      std::size_t commands) {
  std::size_t failed = commands;
  if (replies.ok()) {
    failed = static_cast<std::size_t>(std::count_if(
        replies->begin(), replies->end(),
        [](const StoreReply& reply) { return reply.kind == StoreReply::Kind::kFailed; }));
  }
  Bump(&commands_, commands - failed);
  Bump(&failed_, failed);
  return replies;
}

/// OK when memory is what the disk has; then the clock moves on.
Status FileStore::Readable() {
  if (!broken_.ok()) return broken_;
  clock_.MoveTo(options_.clock->WallNow());
  return Status::Ok();
}

Status FileStore::Admit(std::uint64_t batch_bytes) {
  if (Status status = Readable(); !status.ok()) return status;
  if (options_.read_only) {
    return InvalidArgument(
        fmt::format("file:{}: opened to be read, and nothing can be changed", options_.folder));
  }
  if (batch_bytes > kMostRecordBytes) {
    return InvalidArgument(fmt::format("file:{}: a batch of {} bytes; it takes at most {}",
                                       options_.folder, batch_bytes, kMostRecordBytes));
  }
  const Status status = log_->Reserve(kRecordHeadBytes + batch_bytes);
  if (!status.ok()) {
    full_ = true;
    SetStatus(
        {StatusCode::kUnavailable, fmt::format("file:{}: {}", options_.folder, status.message())});
    return status_;
  }
  if (std::exchange(full_, false)) SetStatus(Status::Ok());
  return Status::Ok();
}

Status FileStore::Keep(const StoreBatch& batch) {
  char head[kRecordHeadBytes];
  head[0] = static_cast<char>(batch.mode());
  const std::int64_t time = clock_.WallNow().time_since_epoch().count();
  std::memcpy(head + 1, &time, sizeof time);
  const Status status = log_->Append({head, sizeof head}, batch.bytes());
  if (status.code() == StatusCode::kExhausted) return ReadBack(status);
  if (!status.ok()) return Break(status);
  if (log_->log_bytes() > snapshot_at_bytes_) MakeSnapshot();
  disk_bytes_.store(log_->disk_bytes() + snapshot_bytes_, std::memory_order_relaxed);
  return Status::Ok();
}

template <typename Answer, typename Fill, typename Change>
Answer FileStore::ChangeOne(Fill fill, Change change) {
  one_.Clear();
  fill(one_);
  if (Status status = Admit(one_.bytes().size()); !status.ok()) return Counted<Answer>(status);
  Answer answer = change();
  if (answer.ok()) {
    if (Status status = Keep(one_); !status.ok()) return Counted<Answer>(status);
  }
  return Counted(std::move(answer));
}

Result<std::vector<StoreReply>> FileStore::Run(const StoreBatch& batch) {
  const bool may_change = MayChange(batch);
  const Status status = may_change ? Admit(batch.bytes().size()) : Readable();
  if (!status.ok()) return CountedRun(status, batch.size());
  auto replies = memory_->Run(batch);
  if (may_change && replies.ok() && Changed(batch, *replies)) {
    if (Status kept = Keep(batch); !kept.ok()) return CountedRun(kept, batch.size());
  }
  return CountedRun(std::move(replies), batch.size());
}

Result<std::vector<std::string>> FileStore::Keys(std::string_view prefix, StoreKind kind,
                                                 std::size_t most) {
  using Answer = Result<std::vector<std::string>>;
  if (Status status = Readable(); !status.ok()) return Counted<Answer>(status);
  return Counted(memory_->Keys(prefix, kind, most));
}

Result<std::optional<std::string>> FileStore::Get(std::string_view key) {
  using Answer = Result<std::optional<std::string>>;
  if (Status status = Readable(); !status.ok()) return Counted<Answer>(status);
  return Counted(memory_->Get(key));
}

Status FileStore::Set(std::string_view key, std::string_view value) {
  return ChangeOne<Status>([&](StoreBatch& one) { one.Set(key, value); },
                           [&] { return memory_->Set(key, value); });
}

Result<std::int64_t> FileStore::Increment(std::string_view key, std::int64_t by) {
  return ChangeOne<Result<std::int64_t>>([&](StoreBatch& one) { one.Increment(key, by); },
                                         [&] { return memory_->Increment(key, by); });
}

Status FileStore::Delete(std::string_view key) {
  return ChangeOne<Status>([&](StoreBatch& one) { one.Delete(key); },
                           [&] { return memory_->Delete(key); });
}

Result<std::int64_t> FileStore::HashIncrement(std::string_view key, std::string_view field,
                                              std::int64_t by) {
  return ChangeOne<Result<std::int64_t>>(
      [&](StoreBatch& one) { one.HashIncrement(key, field, by); },
      [&] { return memory_->HashIncrement(key, field, by); });
}

Result<double> FileStore::SortedAdd(std::string_view key, std::string_view member, double by) {
  return ChangeOne<Result<double>>([&](StoreBatch& one) { one.SortedAdd(key, member, by); },
                                   [&] { return memory_->SortedAdd(key, member, by); });
}

StoreReport FileStore::Report() const {
  StoreReport report = memory_->Report();
  report.url = "file:" + options_.folder;
  report.commands = commands_.load(std::memory_order_relaxed);
  report.failed = failed_.load(std::memory_order_relaxed);
  report.unknown = unknown_.load(std::memory_order_relaxed);
  report.disk_bytes = disk_bytes_.load(std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  report.status = status_;
  return report;
}

void FileStore::SetStatus(const Status& status) {
  const std::lock_guard lock(mutex_);
  status_ = status;
}

/// What was to be written may be on the disk, and is in memory: neither can be told from outside.
Status FileStore::Break(const Status& why) {
  const std::string message = fmt::format("file:{}: {}; nothing is read or written until a restart",
                                          options_.folder, why.message());
  broken_ = {StatusCode::kUnavailable, message};
  SetStatus(broken_);
  Bump(&unknown_);
  return {StatusCode::kUnknownOutcome, message};
}

/// A record, as Keep() wrote it.
Status FileStore::Replay(std::string_view record) {
  const auto wrong = [](const char* what) { return Status(StatusCode::kCorrupt, what); };
  if (record.size() < kRecordHeadBytes) return wrong("the record is too short for a batch");
  const auto mode = static_cast<std::uint8_t>(record[0]);
  if (mode > static_cast<std::uint8_t>(StoreBatch::Mode::kAtomic)) {
    return wrong("the record is of no known kind");
  }
  std::int64_t time = 0;
  std::memcpy(&time, record.data() + 1, sizeof time);
  const auto batch =
      StoreBatch::FromBytes(static_cast<StoreBatch::Mode>(mode), record.substr(kRecordHeadBytes));
  if (!batch) return wrong("the record holds no batch");
  clock_.MoveTo(WallTime(Duration(time)));
  const Status status = memory_->Run(*batch).status();
  if (!status.ok()) return wrong(("the batch was refused: " + status.message()).c_str());
  return Status::Ok();
}

}  // namespace rivulet
