#include "journal/journal.h"

#include <fmt/core.h>

#include <utility>

#include "base/units.h"
#include "journal/folder_lock.h"
#include "journal/journal_writer.h"

namespace rivulet {

namespace {
constexpr std::size_t kMaxOwnerBytes = 16;
constexpr std::uint64_t kLeastSegmentBytes = 1024;
}  // namespace

Result<SyncPolicy> ParseSyncPolicy(std::string_view text) {
  if (text == "always") return SyncPolicy{SyncPolicy::Kind::kAlways, {}};
  if (text == "none") return SyncPolicy{SyncPolicy::Kind::kNone, {}};
  const auto interval = ParseDuration(text);
  if (!interval.ok() || *interval <= Duration::zero()) {
    return InvalidArgument(
        fmt::format("'{}' must be always, none, or a duration like 100ms", text));
  }
  return SyncPolicy{SyncPolicy::Kind::kInterval, *interval};
}

Result<std::unique_ptr<Journal>> Journal::Open(JournalConfig config, EventLoop& loop,
                                               const Clock& clock, JournalOwner* owner,
                                               const RecordVisitor& visit, RecoveryReport* report,
                                               Disk& disk) {
  if (config.owner.empty() || config.owner.size() > kMaxOwnerBytes) {
    return InvalidArgument(
        fmt::format("journal owner '{}' must be 1 to {} bytes", config.owner, kMaxOwnerBytes));
  }
  if (config.segment_bytes < kLeastSegmentBytes) {
    return InvalidArgument(fmt::format("segments of {} bytes must have at least {}",
                                       config.segment_bytes, kLeastSegmentBytes));
  }
  auto lock = LockFolder(config.path, config.option);
  if (!lock.ok()) return lock.status();
  RecoveryOptions options;
  options.path = config.path;
  options.owner = config.owner;
  options.salvage = config.salvage;
  options.progress = config.progress;
  const auto recovered = Recover(options, visit, report, disk);
  if (!recovered.ok()) return recovered.status();
  auto writer = std::make_unique<JournalWriter>(std::move(config), std::move(lock.value()), loop,
                                                clock, owner, disk);
  if (Status status = writer->Start(*recovered); !status.ok()) return status;
  return std::unique_ptr<Journal>(std::move(writer));
}

}  // namespace rivulet
