// Messages from files or standard input, one a line, in order; then the end.
//
// Empty lines are skipped, a carriage return before the newline is cut off, the last line needs no
// newline. Standard input may be a pipe or a terminal: waiting for it leaves the loop free. What is
// requeued is kept in memory and fetched again after the input's end, or earlier where much of it
// has gathered. A line longer than 64 MiB fails the source.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "queuereader/source.h"

namespace rivulet {

class FileSource final : public Source {
 public:
  /// `paths`: "-" is standard input; they are read one after the other. Opens the first at once, so
  /// that a missing one is told by Open().
  static Result<std::unique_ptr<FileSource>> Open(EventLoop& loop, std::vector<std::string> paths);
  /// By Open() alone.
  FileSource(EventLoop& loop, std::vector<std::string> paths);
  ~FileSource() override;

  void Listen(Events events) override { events_ = std::move(events); }
  void Fetch() override;
  void Requeue(std::uint32_t origin, std::string body) override;
  /// Reading the line has finished it: a file keeps no account of what was done.
  void Finish(const Delivery&) override {}
  bool keeps_requeued() const override { return false; }
  std::size_t requeues_pending() const override { return 0; }
  std::vector<std::string> TakePending() override;
  std::string name() const override;

 private:
  Status OpenNext();
  void Close();
  void Read();
  /// True when a batch was delivered.
  bool ReadBlock();
  bool CutLines(std::string block, bool at_end);
  void FetchRequeued();
  void Deliver(Batch batch);
  void Fail(Status status);

  EventLoop& loop_;
  std::vector<std::string> paths_;
  std::size_t current_ = 0;
  int fd_ = -1;
  std::string partial_;  // the line that the last block began
  std::deque<std::string> requeued_;
  std::unique_ptr<IoWatcher> watcher_;
  Events events_;
  std::shared_ptr<bool> alive_;
};

}  // namespace rivulet
