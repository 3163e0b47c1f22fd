#include <ctime>

#include "queuereader/child/child_pool_impl.h"

namespace rivulet {

void ChildPool::Impl::Poll(Duration wait) {
  timespec time{};
  time.tv_sec = static_cast<std::time_t>(wait / std::chrono::seconds(1));
  time.tv_nsec = static_cast<long>((wait % std::chrono::seconds(1)).count());
  const bool for_ever = wait == Duration::max();
  if (ppoll(watched.data(), watched.size(), for_ever ? nullptr : &time, nullptr) < 0) {
    for (pollfd& one : watched) one.revents = 0;  // a signal
  }
}

Status ChildPool::Impl::AwaitStart(std::size_t index) {
  for (MonoTime now = clock.Now(); !MayStart(*workers[index], now); now = clock.Now()) {
    watched.clear();
    Poll(std::min(workers[index]->not_before - now, kStopLook));
  }
  Status status = StartWorker(index);
  if (!status.ok()) NoteEnd(*workers[index]);
  return status;
}

Status ChildPool::Impl::Ask(std::size_t index, std::string_view request,
                            const std::function<Result<bool>(std::string_view*)>& take) {
  Worker& worker = *workers[index];
  if (!starting) {
    if (!entries.empty()) ForgetAhead();
    CheckIdle(worker);
    if (!worker.running()) {
      if (Status status = AwaitStart(index); !status.ok()) {
        return {status.code(), Named(status.message())};
      }
    }
  }
  worker.out()->append(request);
  Status status = Converse(worker, take);
  // What the hook asks is no answer to what the child is there for.
  if (starting) return status;
  if (status.ok()) {
    worker.has_answered = ever_answered = true;
    worker.restart.Reset();
    return status;
  }
  worker.End(Duration::zero());
  NoteEnd(worker);
  return {status.code(), Named(status.message())};
}

Status ChildPool::Impl::Converse(Worker& worker,
                                 const std::function<Result<bool>(std::string_view*)>& take) {
  MonoTime since = clock.Now();
  bool open = true;
  while (true) {
    worker.Flush();
    std::string_view rest = worker.received();
    const auto enough = take(&rest);
    if (!enough.ok()) return enough.status();
    const bool took = rest.size() < worker.received().size();
    worker.Drop(worker.received().size() - rest.size());
    if (*enough) return {};
    const MonoTime now = clock.Now();
    if (took) since = now;
    if (!open) {
      if (!starting) ++stats.crashes;
      return {StatusCode::kUnavailable, worker.End(kEndPatience) + " before it answered"};
    }
    Duration wait = Duration::max();
    if (config.timeout > Duration::zero()) wait = since + config.timeout - now;
    if (wait <= Duration::zero()) {
      if (!starting) ++stats.timeouts;
      return {StatusCode::kUnavailable, NoAnswerInTime(worker)};
    }
    watched.assign(1, {worker.output(), POLLIN, 0});
    if (worker.has_unwritten()) watched.push_back({worker.input(), POLLOUT, 0});
    Poll(wait);
    if (watched[0].revents != 0) open = worker.Receive();
  }
}

void ChildPool::Impl::End(Duration patience) {
  const MonoTime until = clock.Now() + patience;
  for (auto& worker : workers) worker->CloseInput();
  for (auto& worker : workers) worker->End(std::max(until - clock.Now(), Duration::zero()));
}

}  // namespace rivulet
