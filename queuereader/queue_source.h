// Messages from simplequeues, by destructive /mget: what is fetched has left its queue, and Requeue
// puts it back by POST /put.
//
// Of several queues one is read until it is empty or fails, then the next: each for the others as
// fail-over. A queue that failed is left alone for `failed_pause` while another answers. Requeued
// messages go back one after the other, to the queue they came from, or to the next one where that
// fails; they are tried until one takes them. An answer that breaks off gives the whole messages in
// it: they have left the queue.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "http/client.h"
#include "queuereader/source.h"

namespace rivulet {

struct QueueSourceConfig {
  std::vector<std::string> urls;  // http://HOST:PORT[/PREFIX][?PARAMETERS]
  std::string queuename = "default";
  std::uint64_t mget_items = 100;
  Duration failed_pause = std::chrono::seconds(5);
};

class QueueSource final : public Source {
 public:
  /// Checks the URLs; asks nothing yet, so that a reader may be started before its queue.
  static Result<std::unique_ptr<QueueSource>> Open(EventLoop& loop, const Clock& clock,
                                                   QueueSourceConfig config);
  /// By Open() alone.
  QueueSource(EventLoop& loop, const Clock& clock, QueueSourceConfig config);

  void Listen(Events events) override { events_ = std::move(events); }
  void Fetch() override;
  void Requeue(std::uint32_t origin, std::string body) override;
  /// Fetching has taken the message from its queue already.
  void Finish(const Delivery&) override {}
  bool keeps_requeued() const override { return true; }
  std::size_t requeues_pending() const override { return requeues_.size(); }
  std::vector<std::string> TakePending() override;
  std::string name() const override;

 private:
  struct Queue {
    std::string url;         // without parameters, which may hold a token
    std::string parameters;  // "" or "&…"
    MonoTime retry_at{};
  };
  struct Pending {
    std::uint32_t origin;
    std::shared_ptr<const std::string> body;
    std::size_t tried = 0;  // queues, since the last pause
  };

  Status AddQueue(const std::string& url);
  void FetchNext();
  void FetchFrom(std::size_t index);
  void OnFetched(std::size_t index, const ClientResponse& response);
  /// False when nothing in it could be a message.
  bool Deliver(std::size_t index, bool whole);
  void EndRound();
  void SendNext();
  void OnPut(const ClientResponse& response);
  bool Paused(const Queue& queue) const { return clock_.Now() < queue.retry_at; }

  const Clock& clock_;
  QueueSourceConfig config_;
  std::vector<Queue> queues_;
  Events events_;
  Client client_;

  std::size_t current_ = 0;
  std::size_t asked_ = 0;   // queues, in this round
  bool saw_empty_ = false;  // in this round
  Status failure_;          // the last of this round
  std::string answer_;
  std::deque<Pending> requeues_;
  Timer put_pause_;
  ClientCall fetch_;
  ClientCall put_;
};

}  // namespace rivulet
