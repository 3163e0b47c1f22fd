// Where a program that follows sources goes on after a restart: a small file that names, for each
// source, the position of the first message that was not dealt with.
//
//   rivulet source positions 1
//   1234 http://127.0.0.1:8080/sub?topic=clicks
//
// A source is known by its SourceKey(): how it is asked for may change. The one that was followed
// last stands first. Sources that are not followed any more stay, so that another URL by mistake
// costs nothing. A file belongs to one program at a time.
//
// It is replaced as a whole: written beside, made safe (fdatasync), renamed; a crash leaves the old
// or the new one. Positions that come more often than once a second are written together, by a
// thread of its own, so that the loop never waits for a disk.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "journal/helper.h"

namespace rivulet {

class PositionFile {
 public:
  using Positions = std::vector<std::optional<std::uint64_t>>;

  /// Reads the file, and writes it, so that what is wrong with it is known at once: kCorrupt when
  /// it is something else, kInvalidArgument when it is no regular file. None is an empty one. A URL
  /// that is not among others that it knows is logged. `loop` and `clock` must outlive it.
  static Result<std::unique_ptr<PositionFile>> Open(std::string path,
                                                    const std::vector<std::string>& urls,
                                                    EventLoop& loop, const Clock& clock);
  /// Of Open().
  PositionFile(std::string path, const std::vector<std::string>& urls, EventLoop& loop,
               const Clock& clock);
  ~PositionFile();
  PositionFile(const PositionFile&) = delete;
  PositionFile& operator=(const PositionFile&) = delete;

  /// For each URL what the file says of its source.
  const Positions& positions() const { return positions_; }
  /// The URL whose position was set last, before a restart too.
  std::optional<std::size_t> latest() const { return latest_; }
  /// Is written at once, or a second after the last time. A failure is logged, once, and tried
  /// again.
  void Set(std::size_t url, std::uint64_t position);
  /// Blocks until the file says what was set. Then Set() blocks too: for the end.
  Status Close();

 private:
  Status Read();
  bool ReadLine(std::string_view line);
  void TellUnknown() const;
  std::string Text() const;
  void Write();
  void WriteSoon();
  void OnWritten(const Status& status);

  std::string path_;
  std::vector<std::string> keys_;  // of the URLs; several may be of one source
  Positions positions_;
  std::string others_;  // lines of other sources, as they stood there
  std::optional<std::size_t> latest_;
  bool changed_ = false;  // since the last write began
  bool writing_ = false;
  Status last_;  // how the last write went
  const Clock& clock_;
  MonoTime next_write_{};
  Timer timer_;
  Helper helper_;
};

}  // namespace rivulet
