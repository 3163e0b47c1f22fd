// Messages of simplequeues that leave their queue when they are read: see
// queuereader/source/queue_source.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "http/client.h"
#include "queuereader/source/host_pool.h"
#include "queuereader/source/queue_origin.h"
#include "queuereader/source/queue_putter.h"
#include "queuereader/source/source.h"

namespace rivulet {

class QueuePopSource final : public Source {
 public:
  /// `loop` and `clock` must outlive it. `origins` are those of `config`.
  QueuePopSource(EventLoop& loop, const Clock& clock, QueueSourceConfig config,
                 std::vector<QueueOrigin> origins);

  void Listen(Events events) override { events_ = std::move(events); }
  void Fetch() override;
  bool CancelFetch() override { return !fetch_.active(); }
  void Settle(std::vector<Settlement> settlements) override;
  void Touch(std::uint32_t, std::vector<std::string>, std::function<void(const Status&)>) override {
  }
  void AskDrained(std::function<void(bool drained)> answer) override;

  bool leases() const override { return false; }
  Duration lease() const override { return {}; }
  bool keeps_requeued() const override { return true; }
  std::size_t unsettled() const override { return putter_.waiting() + settled_at_once_.size(); }
  std::vector<std::string> Abandon() override;

  std::string origin_name(std::uint32_t origin) const override { return origins_[origin].name(); }
  std::size_t origins() const override { return origins_.size(); }
  std::string Save() const override { return std::string(kQueuePlace); }
  Status Load(std::string_view saved) override { return LoadQueuePlace(saved); }
  std::string name() const override { return NameOf(origins_); }

 private:
  void AskNext();
  void Ask(std::size_t host);
  void OnFetched(std::size_t host, const ClientResponse& response);
  /// True when there were messages, and they were given on.
  bool Deliver(std::size_t host, bool framed, bool whole);
  void EndRound();
  void TellSettled();

  const Clock& clock_;
  QueueSourceConfig config_;
  std::vector<QueueOrigin> origins_;
  Events events_;
  HostPool hosts_;
  Client client_;
  std::string answer_;
  Status failure_;  // the last one of this round
  ClientCall fetch_;
  QueuePutter putter_;
  std::unique_ptr<DrainedQuestion> drained_question_;
  std::vector<std::uint64_t> settled_at_once_;
  Deferred tell_settled_;
  bool abandoned_ = false;
};

}  // namespace rivulet
