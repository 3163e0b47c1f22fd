// An output that is a file: --output=NAME=file:PATH. Appends messages to it, one a line, as they
// come; `-` is standard output.
//
// A pipe or a terminal that takes no more for now is waited for; a write that fails is tried again
// every second. Nothing overtakes. Of a line that a regular file took a part of alone (a full disk)
// that part is taken back. A line that a crash left unfinished is ended first.
//
// Thread: the loop's; a regular file blocks it as long as the page cache takes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "bridge/backlog.h"

namespace rivulet {

class OutputFile {
 public:
  /// `backlog` must outlive it, and is appended to here alone. `on_progress` is called from the
  /// loop after lines were written.
  static Result<std::unique_ptr<OutputFile>> Open(EventLoop& loop, const Clock& clock,
                                                  std::string path, Backlog* backlog,
                                                  std::function<void()> on_progress);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// A newline inside becomes a space. Written when the loop comes to it.
  void Append(std::string_view message);
  /// What is pending is tried at once.
  void Flush();

  /// The first message of the backlog that is not written as a whole.
  std::uint64_t oldest() const { return backlog_->start(); }
  std::uint64_t retries() const { return retries_; }
  const std::string& last_error() const { return last_error_; }

 private:
  OutputFile(EventLoop& loop, const Clock& clock, std::string path, int fd, Backlog* backlog,
             std::function<void()> on_progress);
  void Pump();
  bool WriteSome();
  void OnWritten(std::string_view bytes);
  void OnError(int error);
  /// A regular file ends with a whole line again, where nobody else has written behind it.
  void TakeBackPart();

  EventLoop& loop_;
  const Clock& clock_;
  std::string path_;
  int fd_;
  bool regular_;
  Backlog* backlog_;
  std::function<void()> on_progress_;
  Deferred pump_;
  Timer again_;
  std::optional<IoWatcher> writable_;  // once it had to be waited for
  std::uint64_t begun_ = 0;            // bytes of the oldest message that are written
  std::uint64_t retries_ = 0;
  std::string last_error_;
  bool failing_ = false;
  MonoTime next_log_{};
};

}  // namespace rivulet
