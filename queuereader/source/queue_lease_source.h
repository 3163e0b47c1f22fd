// Messages of simplequeues under a lease: see queuereader/source/queue_source.h.
//
// A queue is first asked without waiting, which tells whether it knows leases. One that does not
// (the original answers lines, and no receipts) is read as if popped, and never by a request that
// may be cancelled.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/event_loop.h"
#include "http/client.h"
#include "queuereader/source/host_pool.h"
#include "queuereader/source/queue_origin.h"
#include "queuereader/source/queue_putter.h"
#include "queuereader/source/queue_settler.h"
#include "queuereader/source/source.h"

namespace rivulet {

class QueueLeaseSource final : public Source {
 public:
  /// `loop` and `clock` must outlive it. `origins` are those of `config`.
  QueueLeaseSource(EventLoop& loop, const Clock& clock, QueueSourceConfig config,
                   std::vector<QueueOrigin> origins);

  void Listen(Events events) override { events_ = std::move(events); }
  void Fetch() override;
  bool CancelFetch() override;
  void Settle(std::vector<Settlement> settlements) override;
  void Touch(std::uint32_t origin, std::vector<std::string> receipts,
             std::function<void(const Status& status)> answer) override;
  void AskDrained(std::function<void(bool drained)> answer) override;

  bool leases() const override { return true; }
  Duration lease() const override { return config_.lease; }
  bool keeps_requeued() const override { return true; }
  Status settling_status() const override;
  std::size_t unsettled() const override;
  std::vector<std::string> Abandon() override;

  std::string origin_name(std::uint32_t origin) const override { return origins_[origin].name(); }
  std::size_t origins() const override { return origins_.size(); }
  std::string Save() const override { return std::string(kQueuePlace); }
  Status Load(std::string_view saved) override { return LoadQueuePlace(saved); }
  std::string name() const override { return NameOf(origins_); }

 private:
  enum class Leases : std::uint8_t { kUnknown, kYes, kNo };

  /// How long a long poll may take.
  Duration PollTime() const;
  void StartRound();
  void AskNext();
  void EndRound();
  void Ask(std::size_t host, Duration wait);
  void OnFetched(const ClientResponse& response);
  /// True when there were messages, and they were given on.
  bool Deliver(const ClientResponse& response);
  void KnowsNoLeases();
  void GiveOn(Batch::State state, Status status = {});

  Status OnTouched(std::uint32_t origin, const ClientResponse& response);
  void TellSettled();

  const Clock& clock_;
  QueueSourceConfig config_;
  std::vector<QueueOrigin> origins_;
  std::vector<Leases> knows_leases_;                  // beside origins_
  std::vector<std::optional<std::uint32_t>> epochs_;  // of the last receipts; beside origins_
  Events events_;
  HostPool hosts_;
  Client client_;

  // Of the fetch that runs.
  MonoTime fetch_since_{};
  std::size_t asked_ = 0;  // whom
  MonoTime asked_at_{};
  bool awaited_ = false;   // whoever asked wants to end: no long poll
  bool was_away_ = false;  // no queue has answered since one failed
  Duration waits_{};       // what the request said
  std::string answer_;
  Status failure_;  // the last one of this round
  ClientCall fetch_;

  QueuePutter putter_;                                   // of what came without a lease
  std::vector<std::unique_ptr<QueueSettler>> settlers_;  // beside origins_
  std::list<ClientCall> touches_;
  std::unique_ptr<DrainedQuestion> drained_question_;
  std::vector<std::uint64_t> settled_at_once_;
  Deferred tell_settled_;
  bool abandoned_ = false;
};

}  // namespace rivulet
