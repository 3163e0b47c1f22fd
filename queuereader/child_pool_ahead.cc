// What is sent before the run that asks for its answers.
#include <algorithm>

#include "base/log.h"
#include "queuereader/child_pool_impl.h"

namespace rivulet {

void ChildPool::Impl::Ahead(std::span<const Message* const> its_messages) {
  if (ahead_ended) return;
  if (ahead.empty()) {
    for (auto& worker : workers) {
      worker->last_answered.reset();
      CheckIdle(*worker);
    }
  }
  const MonoTime now = clock.Now();
  for (const Message* message : its_messages) {
    if (!SendAhead(*message, now)) {
      ahead_ended = true;
      break;
    }
    ahead.push_back(message);
  }
  FlushAll();
}

/// To the child with the least to do. A message that cannot be sent is the run's to deal with, and
/// so are those behind it.
bool ChildPool::Impl::SendAhead(const Message& message, MonoTime now) {
  Worker* least = nullptr;
  for (auto& worker : workers) {
    if (worker->running() && (least == nullptr || worker->owed() < least->owed())) {
      least = worker.get();
    }
  }
  if (least == nullptr || least->owed() >= config.ahead_messages ||
      (least->owes() && least->unanswered_bytes() >= config.ahead_bytes) ||
      !dialect.WhyNot(message).empty()) {
    return false;
  }
  const std::size_t place = ahead.size();
  dialect.AppendMessage(least->out(), message);
  least->Owe(place, now);
  least->alone = false;
  return true;
}

/// A run of other messages than it was said to be would take their answers for its own.
void ChildPool::Impl::CheckAhead(std::span<const Message* const> its_messages) {
  if (ahead.size() <= its_messages.size() &&
      std::equal(ahead.begin(), ahead.end(), its_messages.begin())) {
    return;
  }
  LogWarning("{}", Named("has messages that were not run after all, and is started again"));
  ForgetAhead();
}

void ChildPool::Impl::ForgetAhead() {
  ahead.clear();
  ahead_ended = false;
  for (auto& worker : workers) {
    if (!worker->owes()) continue;
    worker->End(Duration::zero());
    worker->Forget();
  }
}

}  // namespace rivulet
