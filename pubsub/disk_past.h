// A past on disk: the messages lie in the journal, and this knows where.
//
// The index is sparse: one entry for each stretch of a segment that holds messages of this topic,
// some 16 KiB of its bodies, so that it costs half a percent of what it tells of. To find a
// message, its stretch is read from the beginning; messages of other topics in it are passed over,
// for which a stretch is also bounded in the file, to 256 KiB; but where so many topics are mixed
// that even 4 KiB lie further apart, it is those 4 KiB. What was moved by cleaning
// (pubsub/durability.h) is indexed where it lies now: entries are in the order of offsets, wherever
// in the files they point.
//
// A PastPlace has, as hints, where its message's run begins, and how far in that run it is. The
// hints hold as long as the message is indexed in the same segment: a segment's bytes never change,
// and its number is never used again.
//
// Where the journal was damaged (--salvage) messages may be missing between others: readers go on
// behind them, as behind what was let go.
//
// Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>

#include "journal/format.h"
#include "pubsub/past.h"
#include "pubsub/run_reader.h"
#include "pubsub/segment_use.h"

namespace rivulet {

/// A run of messages (pubsub/record.h) and where it lies.
struct PlacedRun {
  std::uint64_t first_offset = 0;
  std::uint64_t messages = 0;
  std::uint64_t first_sequence = 0;
  WallTime time{};
  std::uint64_t bytes = 0;  // of bodies
  RecordPlace place;        // of its record, or of something before it in its commit
  std::uint64_t end = 0;    // in the file, of its commit
};

class DiskPast final : public Past {
 public:
  static constexpr std::uint64_t kStretchBytes = 16 * 1024;

  /// `topic`: its number in the journal. `reader` and `use`, which is kept up to date, must outlive
  /// it (`use` but for its destructor).
  DiskPast(RunReader* reader, SegmentUse* use, std::uint32_t topic, Retention retention);

  /// Requires run.first_offset == end_offset(). Lets go of what is too much or too old at its time.
  /// Amortized O(1).
  void Add(const PlacedRun& run);
  /// A run that is kept lies there now. Others of it must have been moved in the order of offsets.
  /// Not kept any more: nothing is done.
  void Move(const PlacedRun& run);
  /// Lets go of what is too much, or too old at `now`.
  void Trim(WallTime now);

  // Of recovery, before anything else.
  /// A run, in the order of the files: what was moved comes behind what is newer, and may come
  /// twice.
  void Restore(const PlacedRun& run);
  /// The topic has come to that offset. Without `holes` only what leads up to it without one is
  /// kept: anything before had been let go, and then lost a part of its files.
  void EndRestore(std::uint64_t end_offset, bool holes);

  struct Stretch {
    std::uint64_t first_offset = 0;
    std::uint64_t sequence = 0;  // of the first message, or less, but more than that of any before
    WallTime time{};             // the same of the time, but that those before may have it too
    RunAmount amount;
    std::uint64_t bytes_before = 0;  // of bodies, since some time
    RecordPlace place;               // of the first run, or of something before it in its commit
    std::uint64_t end = 0;           // in the file

    std::uint64_t end_offset() const { return first_offset + amount.messages; }
  };
  const std::deque<Stretch>& stretches() const { return stretches_; }
  /// The run that holds the message at `*place`, whole; the place moves behind it. nullptr at the
  /// end. Valid until the next call of any past's method. For cleaning.
  Result<const RunReader::Found*> NextRun(PastPlace* place);
  const RunAmount& kept() const { return kept_; }
  /// Memory of the index.
  std::uint64_t memory_bytes() const { return stretches_.size() * sizeof(Stretch); }

  std::uint64_t first_offset() const override;
  std::uint64_t end_offset() const override { return end_offset_; }
  std::uint64_t retained_bytes() const override { return kept_.bytes; }
  std::uint64_t gone_sequence() const override;
  Result<PastPlace> At(std::uint64_t offset) override;
  Result<std::uint64_t> OffsetAtTime(WallTime time) override;
  Result<std::uint64_t> OffsetAtSequence(std::uint64_t sequence) override;
  Result<std::optional<TopicMessage>> Next(PastPlace* place) override;
  Status ReadOn(PastPlace* place, MessageVisitor* visitor) override;
  std::uint64_t BytesFrom(std::uint64_t offset) const override;

 private:
  // Where a reader is in the files.
  struct Spot {
    RecordPlace place;
    std::size_t inner = 0;  // in the messages of the run there
  };
  static Spot SpotOf(const PastPlace& place);
  static void SetSpot(const Spot& spot, PastPlace* place);

  bool Fits(const Stretch& stretch, const PlacedRun& run) const;
  Stretch Made(const PlacedRun& run) const;
  void Extend(Stretch* stretch, const PlacedRun& run);
  void PopFront();
  /// Of the stretch that holds that message, or of the first one behind it.
  std::size_t Find(std::uint64_t offset);
  /// Moves the place to the message of its offset, or of the first kept behind it, and gives its
  /// run. nullptr at the end.
  Result<const RunReader::Found*> Seek(PastPlace* place, Spot* spot);
  Result<const RunReader::Found*> Search(const Stretch& stretch, std::uint64_t offset,
                                         const RecordPlace& from, Spot* spot);
  /// Offset of the first message in that stretch or behind it of which `is_it` says so.
  template <typename IsIt>
  Result<std::uint64_t> FirstFrom(std::size_t stretch, const IsIt& is_it);

  RunReader* reader_;
  SegmentUse* use_;
  std::uint32_t topic_;
  Retention retention_;
  std::uint64_t stretch_bytes_;
  std::deque<Stretch> stretches_;  // by offset
  std::size_t last_found_ = 0;
  std::uint64_t end_offset_ = 0;
  WallTime last_time_{};
  std::uint64_t end_sequence_ = UINT64_MAX;  // one behind the newest message, if that is known
  RunAmount kept_;
  std::uint64_t bytes_ever_ = 0;             // of bodies, as bytes_before counts
  std::map<std::uint64_t, Stretch> filled_;  // of recovery: what comes behind what is newer
};

}  // namespace rivulet
