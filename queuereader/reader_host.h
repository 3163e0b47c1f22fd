// A whole reader on a program's loop: source, tasks on their thread, outputs, store, and the files
// of its state, put together of its options. queuereader is one of these with signals and reports
// around it; another program may have one beside what it does itself:
//
//   auto reader = ReaderHost::Open(loop, clock, {.program = "bandit", .registry = &registry,
//                                                .options = options, .on_end = [] { … }});
//   (*reader)->Start();
//   …(*reader)->runner().Inspect([&store](const Reader&) { store.Run(…); }, [] { … });
//   (*reader)->Stop();  // and later on_end()
//
// Thread: the loop's. One a process: what it hears of crashes is the process's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "queuereader/config.h"
#include "queuereader/runner/runner.h"
#include "queuereader/task_registry.h"

namespace rivulet {

class StandardFiles;

struct ReaderHostConfig {
  std::string program;                     // in reports of crashes; empty: they are not watched
  const TaskRegistry* registry = nullptr;  // required while Open() runs
  /// Parsed and checked; its paths absolute.
  ReaderOptions options;
  /// End when the queue has been empty for options.exit_when_empty.
  bool exits_when_empty = false;
  /// Besides Stop(): looked at between two messages and while a task waits, on any thread.
  std::function<bool()> stop_requested{};
  /// On the loop, once, when all is done; it must not destroy the host. None: the loop is stopped.
  std::function<void()> on_end{};
  /// A task hangs in this process. Where it returns, the reader has ended all the same, but the
  /// host cannot be destroyed: that waits for the task. None: ExitAtOnce().
  std::function<void(int status)> exit_process{};
  /// Of errors of ReaderOptions::auth_token_file.
  const char* token_option = "auth-token-file";
  /// Kept since before the loop was made; outlives the host. nullptr: as they are at Start().
  const StandardFiles* standard_files = nullptr;
};

class ReaderHost {
 public:
  /// Opens all, and takes up what the checkpoint says; reads nothing yet. kInvalidArgument: an
  /// option is wrong, which the message names; others: it cannot be opened today. Blocks (DNS,
  /// files). `loop` and `clock` must outlive it.
  static Result<std::unique_ptr<ReaderHost>> Open(EventLoop& loop, const Clock& clock,
                                                  ReaderHostConfig config);
  /// Waits for the task that runs. What was not stopped before is as after a crash: leases run out.
  ~ReaderHost();
  ReaderHost(const ReaderHost&) = delete;
  ReaderHost& operator=(const ReaderHost&) = delete;

  void Start();
  /// As a stop signal does: the message in hand ends, what waits for the store does not any longer,
  /// and what was not run goes back. Then on_end. Again: nothing.
  void Stop();
  /// on_end was called, or would have been.
  bool ended() const;

  Runner& runner();
  /// What tasks share; to be used where they run: by Runner::Inspect().
  HostedStore& store();
  const Source& source() const;
  const Outputs& outputs() const;
  /// Messages that the checkpoint had counted.
  std::uint64_t restored() const;
  const ReaderCounts& counts() const;  // after the end

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit ReaderHost(std::unique_ptr<Impl> impl);
};

}  // namespace rivulet
