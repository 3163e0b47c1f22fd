#include "queuereader/report/introspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/terminal_line.h"
#include "http/page.h"
#include "http/reply.h"
#include "http/request.h"
#include "queuereader/report/introspection_report.h"
#include "queuereader/report/introspection_views.h"

namespace rivulet {
namespace {

// Looks that wait for a task: each is a piece of memory, and whoever asks again gets no further.
constexpr std::size_t kMaxLooks = 16;
constexpr std::string_view kTasksPath = "/tasks/";

}  // namespace

struct Introspection::Impl {
  // A client that waits for a look.
  struct Waiting {
    PendingReply reply;
    std::unique_ptr<Timer> patience;
  };
  using Answer = std::function<TaskAnswer()>;

  EventLoop& loop;
  const Clock& clock;
  IntrospectionSubject subject;
  MonoTime begin;
  WallTime started;
  RecentRate rate;
  Timer tick;
  std::optional<TaskViews> views;
  std::string page;
  std::unique_ptr<StatusServer> server;
  std::size_t looks = 0;
  std::uint64_t next_id = 0;
  std::map<std::uint64_t, Waiting> waiting;
  // Not there any more: a look that ends finds nobody.
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);

  Impl(EventLoop& event_loop, const Clock& its_clock, IntrospectionSubject what)
      : loop(event_loop),
        clock(its_clock),
        subject(std::move(what)),
        begin(its_clock.Now()),
        started(its_clock.WallNow()),
        tick(event_loop, [this] { Tick(); }) {
    Tick();
    tick.StartEvery(std::chrono::seconds(1));
  }

  void Tick() { rate.Note(subject.stats().reader.counts.messages, clock.Now()); }
  ReaderReport Report() const;
  void AddRoutes(const std::string& program);
  void AnswerTasks(const Request& request, Reply& reply);
  void AnswerTask(const Request& request, Reply& reply);
  /// `look` runs where tasks run; then `done` answers, or `late` when that takes too long.
  void Look(Reply& reply, std::function<void(const Reader&)> look, Answer done, const Answer& late);
  void Finish(std::uint64_t id, const Answer& answer);
  TaskAnswer TooLate() const;
};

ReaderReport Introspection::Impl::Report() const {
  ReaderReport report;
  report.stats = subject.stats();
  if (subject.outputs != nullptr) report.outputs = subject.outputs->stats();
  report.source = subject.source->name();
  report.fraction = subject.source->fraction();
  report.started = started;
  report.elapsed = clock.Now() - begin;
  report.messages_per_second = rate.a_second();
  return report;
}

void Introspection::Impl::AddRoutes(const std::string& program) {
  page = TasksPageHtml(program);
  Router& router = server->router();
  router.Add(kLooks, "/tasks", this, &Impl::AnswerTasks);
  router.AddPrefix(kLooks, std::string(kTasksPath),
                   [this](const Request& request, Reply& reply) { AnswerTask(request, reply); });
}

void Introspection::Impl::AnswerTasks(const Request& request, Reply& reply) {
  const auto format = request.Param("format");
  if (!format) return ServePage(request, reply, page, {});
  if (*format != "json") return reply.Error(400, "format must be json, or absent");
  // What a task can show does not change: it is asked for once.
  if (views) return reply.Body(200, kApplicationJson, ReaderReportJson(Report(), &*views));
  auto found = std::make_shared<TaskViews>();
  const auto answer = [this] {
    static const TaskViews kNone;
    return TaskAnswer{200, std::string(kApplicationJson),
                      ReaderReportJson(Report(), views ? &*views : &kNone)};
  };
  Look(
      reply, [found](const Reader& reader) { *found = ViewsOf(reader); },
      [this, found, answer] {
        views = std::move(*found);
        return answer();
      },
      answer);
}

void Introspection::Impl::AnswerTask(const Request& request, Reply& reply) {
  const std::string name(request.path().substr(kTasksPath.size()));
  if (name.empty()) return reply.Error(404, "no such path: a task is at /tasks/NAME");
  const std::string view = request.Param("view").value_or("json");
  auto answer = std::make_shared<TaskAnswer>();
  Look(
      reply, [name, view, answer](const Reader& reader) { *answer = ShowTask(reader, name, view); },
      [answer] { return std::move(*answer); }, [this] { return TooLate(); });
}

void Introspection::Impl::Look(Reply& reply, std::function<void(const Reader&)> look, Answer done,
                               const Answer& late) {
  if (looks >= kMaxLooks) {
    const TaskAnswer it = late();
    if (it.status == 503) reply.AddHeader("Retry-After", "1");
    return reply.Body(it.status, it.content_type, it.body);
  }
  ++looks;
  const std::uint64_t id = ++next_id;
  waiting[id].reply = reply.Defer();
  auto& patience = waiting[id].patience;
  patience = std::make_unique<Timer>(loop, [this, id, late] { Finish(id, late); });
  patience->Start(subject.patience);
  subject.inspect(std::move(look),
                  [this, id, done = std::move(done), still = std::weak_ptr<bool>(alive)] {
                    if (still.expired()) return;
                    --looks;
                    Finish(id, done);
                  });
}

void Introspection::Impl::Finish(std::uint64_t id, const Answer& answer) {
  const Answer copy = answer;  // the timer that holds it goes with the client
  const TaskAnswer it = copy();
  const auto found = waiting.find(id);
  if (found == waiting.end()) return;  // was answered: too late
  PendingReply reply = std::move(found->second.reply);
  waiting.erase(found);
  std::string fields(it.status == 503 ? "Retry-After: 1\r\n" : "");
  fields += kTaskPolicy;
  reply.Send(it.status, it.content_type, it.body, fields);
}

TaskAnswer Introspection::Impl::TooLate() const {
  const RunnerStats stats = subject.stats();
  std::string why = "the reader has not come to it in time; ask again";
  if (stats.current) {
    why = fmt::format("task {} has been at work for {} {}; ask again",
                      EscapeControl(stats.current->task), RoughDuration(stats.busy),
                      EscapeControl(stats.current->Place()));
  }
  return {503, std::string(kTextPlain), why + "\n"};
}

Introspection::Introspection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Introspection::~Introspection() = default;

Result<std::unique_ptr<Introspection>> Introspection::Open(EventLoop& loop, const Clock& clock,
                                                           const std::string& program,
                                                           const StatusServerOptions& values,
                                                           IntrospectionSubject subject) {
  if (values.http_address.empty()) return std::unique_ptr<Introspection>();
  auto impl = std::make_unique<Impl>(loop, clock, std::move(subject));
  Impl* const at = impl.get();
  StatusServer::Hooks hooks;
  hooks.health = [at] { return ReaderHealth(at->subject.stats()); };
  hooks.stats_text = [at] { return ReaderReportText(at->Report()); };
  hooks.stats_json = [at] { return ReaderReportJson(at->Report()); };
  hooks.write_metrics = [at](std::string* out) { WriteReaderMetrics(out, at->Report()); };
  auto server = StatusServer::Open(loop, clock, program, values, hooks);
  if (!server.ok()) return server.status();
  impl->server = std::move(*server);
  impl->AddRoutes(program);
  return std::unique_ptr<Introspection>(new Introspection(std::move(impl)));
}

std::string Introspection::bound() const { return impl_->server->bound(); }

}  // namespace rivulet
