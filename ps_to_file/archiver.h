// A running ps_to_file: a source, what it says gathered by file, and the thread that writes it.
//
// The loop never waits for a disk: full buffers go to a helper's thread, and the source is not read
// while max_pending_bytes are on their way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/file_lock.h"
#include "base/status.h"
#include "bridge/message_filter.h"
#include "bridge/source.h"
#include "http/client.h"
#include "http/status_server.h"
#include "journal/helper.h"
#include "ps_to_file/archive_state.h"
#include "ps_to_file/gatherer.h"
#include "ps_to_file/part_writer.h"

namespace rivulet {

struct ArchiverConfig {
  SourceConfig source;
  MessageFilterOptions filter;
  std::string filename_format;
  GathererConfig gathering;  // but chunk_bytes and compressed, which follow from the others
  PartWriterConfig writing;  // but urls; an empty state_path: beside the files
  Duration checkpoint_interval = std::chrono::seconds(1);
  std::uint64_t max_pending_bytes = std::uint64_t{32} << 20;
  Duration stats_interval{};
  Duration drain_timeout = std::chrono::seconds(10);
};

/// Thread: the loop's. Must be destroyed before its loop.
class Archiver final : private PubsubSource::Sink {
 public:
  static constexpr int kExitWritten = 0;
  static constexpr int kExitFailed = 1;
  static constexpr int kExitSilence = 3;

  /// Locks and reads the state, and brings the files to it. Blocks.
  static Result<std::unique_ptr<Archiver>> Open(EventLoop& loop, const Clock& clock,
                                                ArchiverConfig config);
  ~Archiver() override;

  /// Follows the source until Drain(), silence or a failure that is final; the loop must run.
  void Start();
  /// Reads no more, writes what there is with a checkpoint, then stops the loop. What cannot be
  /// written is tried until the drain timeout, or a second call.
  void Drain();
  /// All files are complete.
  void Roll();

  /// Once the loop has stopped: 0 when all was written, 1 when not, 3 after silence.
  int exit_status() const;
  /// "N received, N written, N filtered, N files completed", and what was refused or missed, if
  /// any.
  std::string Summary() const;
  /// Of what cannot be written now.
  Status health() const;
  /// Its /ping, /stats and /metrics; valid as long as this is.
  StatusServer::Hooks StatusHooks() const;

 private:
  struct Beginning {
    FileLock lock;
    ArchiveState state;
    FileNameFormat format;
    MessageFilter filter;
  };
  struct Count;

  Archiver(EventLoop& loop, const Clock& clock, ArchiverConfig config, Beginning beginning);

  // PubsubSource::Sink.
  void OnMessage(std::string_view message, const SourcePosition& after) override;
  void OnTooLong(const SourcePosition& after) override;
  bool full() const override;
  void OnSilence() override;
  void OnPosition(const SourcePosition& position) override;
  void OnGap(std::optional<std::uint64_t> missed) override;

  void MoveTo(const SourcePosition& position);
  void ReadTime();
  void Tick();
  void HandOver();
  void Send(WriteBatch batch);
  void SendCheckpoint();
  void OnWritten(const Status& status, WriteBatch batch);
  void BeginDrain();
  void PrintProgress();
  std::uint64_t held_bytes() const { return pending_bytes_ + gatherer_.bytes(); }
  std::vector<Count> Counts() const;
  std::string StatsText() const;
  std::string StatsJson() const;
  void WriteMetrics(std::string* out) const;

  EventLoop& loop_;
  const Clock& clock_;
  const ArchiverConfig config_;
  FileLock lock_;
  MessageFilter filter_;
  Gatherer gatherer_;
  PartWriter writer_;
  SourcePositions positions_;
  Client client_;
  PubsubSource source_;
  Deferred pump_;
  Timer tick_;
  Timer flush_;
  Timer checkpoint_;
  Timer drain_;
  Timer stats_;

  std::uint64_t received_ = 0;
  std::uint64_t too_long_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t pending_bytes_ = 0;  // with the writer
  MonoTime last_stats_{};
  std::uint64_t last_written_ = 0;
  std::optional<std::size_t> url_;  // of the last position
  bool time_known_ = false;         // the gatherer was told the time of this round of the loop
  bool moved_ = false;              // since the last checkpoint
  bool checkpoint_wanted_ = false;
  bool checkpoint_running_ = false;
  bool draining_ = false;
  bool last_sent_ = false;  // the checkpoint of the end
  bool silent_ = false;
  bool failed_ = false;

  Helper helper_;  // last: gone first
};

}  // namespace rivulet
