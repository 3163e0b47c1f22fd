// One file that holds all that a reader must remember together: the state of its tasks, what it has
// decided of which messages, what it has still to send. Replaced as a whole: written beside, made
// safe, renamed; a crash leaves the old one or the new one.
//
//   rivulet checkpoint 1\n
//   NAME BYTES\n  and so many bytes, for each section, in the order of names
//   end CRC32\n          eight hexadecimal digits: zlib's, of all bytes before this line
//
// Section names: task:NAME, ledger, source, store, outputs, counts. None is called "end" or holds a
// newline.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/file_lock.h"
#include "base/status.h"
#include "journal/helper.h"

namespace rivulet {

using CheckpointSections = std::map<std::string, std::string>;

std::string EncodeCheckpoint(const CheckpointSections& sections);
/// kCorrupt names the place and what is wrong there. Takes anything.
Result<CheckpointSections> DecodeCheckpoint(std::string_view bytes);

/// Thread: the loop's.
class CheckpointFile {
 public:
  /// DIR/NAME.checkpoint, where '/' and '%' in NAME become %2F and %25; makes the folder. Locks it,
  /// by DIR/NAME.checkpoint.lock: a second reader with the same is refused. An unreadable, damaged
  /// or newer file is an error that says what to do; none is an empty one. Blocks.
  static Result<std::unique_ptr<CheckpointFile>> Open(EventLoop& loop, const Clock& clock,
                                                      const std::string& directory,
                                                      const std::string& name);
  ~CheckpointFile();

  /// What Open() found.
  const CheckpointSections& found() const;
  const std::string& path() const;
  /// Encodes and writes on a thread of its own; one at a time. `done` is called on the loop; not
  /// any more when this goes, which waits for what is being written.
  void Write(CheckpointSections sections, std::function<void(const Status& status)> done);
  bool writing() const;
  std::uint64_t written() const;     // checkpoints
  std::uint64_t last_bytes() const;  // of the last one
  Duration last_duration() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit CheckpointFile(std::unique_ptr<Impl> impl);
};

}  // namespace rivulet
