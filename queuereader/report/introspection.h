// What --http-address serves of a reader, beside /ping and the page: /stats, /metrics, /tasks and
// /tasks/NAME.
//
//   /stats              text, or ?format=json: counts, and by task done, failed, retried, given up,
//                       p50 and p99 of its run time (queuereader/report/introspection_report.h)
//   /tasks              the tasks with links to their views, as a page; ?format=json: /stats with
//                       the names of each task's views
//   /tasks/NAME         its summary as JSON; ?view=text, or one of the task's own (svg, html)
//
// A NAME stands percent-encoded in the path; it may hold slashes, colons and commas.
//
// A summary is made between two messages; when a message takes longer than three seconds the answer
// is 503 and says which one. A task's own page is shown under a policy that lets it do nothing.
//
// Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "http/status_server.h"
#include "queuereader/outputs.h"
#include "queuereader/runner/runner.h"

namespace rivulet {

/// What is looked at. All must outlive the introspection.
struct IntrospectionSubject {
  std::function<RunnerStats()> stats;  // Runner::Stats
  /// Runner::Inspect
  std::function<void(std::function<void(const Reader&)> look, std::function<void()> done)> inspect;
  const Source* source = nullptr;
  const Outputs* outputs = nullptr;  // nullptr: none
  Duration patience = std::chrono::seconds(3);
};

class Introspection {
 public:
  /// nullptr when no address is given.
  static Result<std::unique_ptr<Introspection>> Open(EventLoop& loop, const Clock& clock,
                                                     const std::string& program,
                                                     const StatusServerOptions& values,
                                                     IntrospectionSubject subject);
  static Result<std::unique_ptr<Introspection>> Open(EventLoop& loop, const Clock& clock,
                                                     const std::string& program,
                                                     const StatusServerOptions& values,
                                                     Runner& runner, const Source& source,
                                                     const Outputs* outputs) {
    const auto inspect = [&runner](auto look, auto done) {
      runner.Inspect(std::move(look), std::move(done));
    };
    return Open(loop, clock, program, values,
                {.stats = [&runner] { return runner.Stats(); },
                 .inspect = inspect,
                 .source = &source,
                 .outputs = outputs});
  }
  ~Introspection();
  /// "127.0.0.1:8090".
  std::string bound() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  explicit Introspection(std::unique_ptr<Impl> impl);
};

}  // namespace rivulet
