// What is sent before the run that asks for its answers.
#include <algorithm>

#include "base/log.h"
#include "queuereader/child/child_pool_impl.h"

namespace rivulet {

void ChildPool::Impl::Ahead(std::span<const Message* const> its_messages) {
  for (auto& worker : workers) {
    if (!worker->owes()) CheckIdle(*worker);
  }
  Append(its_messages);
  const MonoTime now = clock.Now();
  while (!todo.empty() && SendAhead(now)) {
  }
  FlushAll();
}

void ChildPool::Impl::Append(std::span<const Message* const> its_messages) {
  for (const Message* message : its_messages) {
    todo.push_back(first + entries.size());
    entries.emplace_back().message = message;
  }
}

/// To the child with the least to do. A message that cannot be sent is the run's to deal with, and
/// so are those behind it.
bool ChildPool::Impl::SendAhead(MonoTime now) {
  Worker* least = nullptr;
  for (auto& worker : workers) {
    if (worker->running() && (least == nullptr || worker->owed() < least->owed())) {
      least = worker.get();
    }
  }
  const std::size_t message = todo.front();
  const Entry& entry = At(message);
  if (least == nullptr || entry.alone || (least->owes() && least->alone) ||
      least->owed() >= config.ahead_messages ||
      (least->owes() && least->unanswered_bytes() >= config.ahead_bytes) ||
      !dialect.WhyNot(*entry.message).empty()) {
    return false;
  }
  todo.pop_front();
  dialect.AppendMessage(least->out(), *entry.message);
  least->Owe(message, now);
  least->alone = false;
  return true;
}

/// A run of other messages than it was said to be would take their answers for its own.
void ChildPool::Impl::CheckAhead(std::span<const Message* const> its_messages) {
  const std::size_t both = std::min(entries.size(), its_messages.size());
  for (std::size_t i = 0; i < both; ++i) {
    if (entries[i].message == its_messages[i]) continue;
    LogWarning("{}", Named("has messages that were not run after all, and is started again"));
    return ForgetAhead();
  }
}

/// A child that has had any of them would know what nobody has asked for.
void ChildPool::Impl::ForgetAhead() {
  const bool any_seen = todo.size() < entries.size();
  first += entries.size();
  entries.clear();
  todo.clear();
  of_run = 0;
  for (auto& worker : workers) {
    if (any_seen) worker->End(Duration::zero());
    worker->Forget();
  }
}

}  // namespace rivulet
