// What becomes of messages whose child has ended, or was ended.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "queuereader/child/child_pool_impl.h"
#include "queuereader/task_unusable.h"

namespace rivulet {
namespace {

// What a shell ends with where there is no such command, or none that it may run.
constexpr std::string_view kNotFound = "exited with 127";
constexpr std::string_view kNotRun = "exited with 126";
constexpr Duration kMostFirstWait = std::chrono::milliseconds(300);

}  // namespace

void ChildPool::Impl::Excess(Worker& worker) {
  const std::string why = "answered more often than it was asked";
  ++stats.crashes;
  if (worker.last_answered && *worker.last_answered >= first) {
    At(*worker.last_answered).outcome = Outcome::Failed(why);
  } else {
    LogWarning("{}", Named(why));
  }
  worker.End(Duration::zero());
  NoteEnd(worker);
}

void ChildPool::Impl::Broken(Worker& worker, const std::string& why) {
  worker.End(Duration::zero());
  Lost(worker, why, Blame::kFirst, &stats.crashes);
}

/// The child has ended, and `why`: what becomes of the messages that it owed an answer.
void ChildPool::Impl::Lost(Worker& worker, const std::string& why, Blame blame,
                           std::uint64_t* counter) {
  std::vector<std::size_t> owed = worker.Forget();
  NoteEnd(worker);
  ++*counter;
  if (blame == Blame::kFirst || (blame == Blame::kAny && owed.size() == 1)) {
    Charge(owed.front(), why);
    owed.erase(owed.begin());
  } else if (blame == Blame::kAny) {
    LogWarning("{}", Named(fmt::format("{} {} messages, which it gets again one by one", why,
                                       owed.size())));
    for (const std::size_t message : owed) At(message).alone = true;
  }
  SendAnew(owed);
  CheckDeadStarts(why, blame);
}

/// Nothing that it was to do has reached it: that costs no message a try, but not for ever.
void ChildPool::Impl::StartFailed(Worker& worker, const std::string& why) {
  if (dead_starts == 0) LogWarning("{}", Named(why + ", and will be started again"));
  Lost(worker, why, Blame::kNobody, &stats.crashes);
}

void ChildPool::Impl::CheckDeadStarts(const std::string& why, Blame blame) {
  const bool no_command =
      blame == Blame::kNobody && (why.starts_with(kNotFound) || why.starts_with(kNotRun));
  if (!ever_answered && no_command) throw TaskUnusable(why);
  if (dead_starts < kMaxDeadStarts) return;
  if (!ever_answered) {
    throw TaskUnusable(
        fmt::format("{}, as {} times in a row: it has never answered", why, dead_starts));
  }
  while (!todo.empty() && IsOfRun(todo.front())) {
    Charge(todo.front(), why);
    todo.pop_front();
  }
}

void ChildPool::Impl::SendAnew(const std::vector<std::size_t>& owed) {
  todo.insert(todo.begin(), owed.begin(), owed.end());
  std::sort(todo.begin(), todo.end());
}

void ChildPool::Impl::Charge(std::size_t message, const std::string& why) {
  At(message).outcome = Outcome::Failed(why);
  Settle(message);
}

void ChildPool::Impl::Settle(std::size_t message) {
  At(message).settled = true;
  if (IsOfRun(message)) --left;
}

void ChildPool::Impl::NoteEnd(Worker& worker) {
  if (worker.has_answered) {
    worker.not_before = MonoTime();
    return;
  }
  ++dead_starts;
  const Duration wait = worker.restart.Next();
  // A command that has never answered is given up after some starts: that shall be told soon.
  worker.not_before = clock.Now() + (ever_answered ? wait : std::min(wait, kMostFirstWait));
}

}  // namespace rivulet
