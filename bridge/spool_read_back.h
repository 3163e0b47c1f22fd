// Reads messages of a spool (bridge/spool.h) back from its journal, a stretch of about 1 MiB at a
// time. Stretches are shared by readers that are at the same place, and kept until they are behind
// all of them, or others were needed more.
//
// Thread: the loop's. Blocks as long as a read of the disk takes. Memory: the stretches, and two
// windows of the journal's reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "base/status.h"
#include "bridge/backlog.h"
#include "bridge/message_log.h"
#include "bridge/spool_index.h"
#include "journal/format.h"
#include "journal/reader.h"

namespace rivulet {

class SpoolReadBack {
 public:
  /// `path`: of the journal. `index` must outlive it.
  SpoolReadBack(std::string path, const SpoolIndex* index, std::size_t max_stretches);

  /// Messages from `first` on, of those before `end`, which must be committed; as Backlog::Slice().
  /// kIoError, or kCorrupt with its place.
  Result<MessageBatch> Slice(std::uint64_t first, std::uint64_t max_messages, std::uint64_t end);
  /// Nobody asks for messages before `first` any more.
  void DropBefore(std::uint64_t first);
  /// The segment is about to go.
  void Forget(std::uint64_t segment);

  /// Of the messages in stretches.
  std::uint64_t memory_bytes() const;
  /// For tests.
  std::uint64_t stretches_read() const { return stretches_read_; }

 private:
  struct Stretch {
    explicit Stretch(std::uint64_t first) : log(0, first) {}
    MessageLog log;
    std::uint64_t used = 0;  // the higher the later
  };
  // Where a run stands.
  struct Spot {
    std::uint64_t first = 0;
    RecordPlace place;
  };

  Stretch* Kept(std::uint64_t first);
  Result<Stretch*> Read(std::uint64_t first, std::uint64_t end);
  Status Fill(std::uint64_t end, Spot* spot, MessageLog* log);
  Result<Spot> SpotOf(std::uint64_t message) const;
  Result<std::string_view> Next(RecordPlace* place);
  void Remember(const Spot& spot);

  const SpoolIndex* index_;
  JournalReader reader_;
  std::size_t max_stretches_;
  std::list<Stretch> stretches_;
  std::vector<Spot> spots_;  // where stretches ended, the newest last
  std::uint64_t uses_ = 0;
  std::uint64_t stretches_read_ = 0;
};

}  // namespace rivulet
