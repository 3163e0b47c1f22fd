// Where messages go that a destination will never take: a file of JSON lines, appended to.
//
//   {"time":"2026-11-21T12:00:00.000Z","destination":"POST http://127.0.0.1:8081/put",
//    "answer":"400 missing data","message":"..."}            (one line)
//
// A message that is not UTF-8 stands as "message_base64" instead. `answer` is cut at 200 bytes.
//
// A line is written before the message counts as done, so that no crash of the process loses it;
// Sync() makes it safe from a power cut too, and is due before a position file or a progress record
// moves over it.
//
// Thread: the loop's. Writes block as long as the page cache takes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

class DeadLetters {
 public:
  /// Appends to the file, which is made (mode 0600) when there is none. A last line that a crash
  /// left unfinished gets its newline. kIoError names the file. `clock` must outlive it.
  static Result<std::unique_ptr<DeadLetters>> Open(std::string path, const Clock& clock);
  /// The same when the first message is added; its folder is made too.
  static std::unique_ptr<DeadLetters> OpenLater(std::string path, const Clock& clock);
  ~DeadLetters();
  DeadLetters(const DeadLetters&) = delete;
  DeadLetters& operator=(const DeadLetters&) = delete;

  /// kIoError: it could not be written (logged once a minute); the message is not done then, and is
  /// to be tried again.
  Status Add(std::string_view destination, std::string_view answer, std::string_view message);
  /// fdatasync, when there is something to sync. Blocks.
  Status Sync();
  /// After SIGHUP: the file may have been moved away.
  Status Reopen();
  std::uint64_t written() const { return written_; }

 private:
  DeadLetters(std::string path, const Clock& clock);
  Status OpenNow();
  Status NotAdded(Status why);

  std::string path_;
  const Clock& clock_;
  int fd_ = -1;
  std::uint64_t written_ = 0;
  bool unsynced_ = false;
  MonoTime next_log_{};
};

}  // namespace rivulet
