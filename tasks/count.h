// count: how many messages there were, and how many heartbeats.
//
// A heartbeat is an object with the member `_heartbeat_`, as a pubsub sends to keep a silent
// connection alive; it is no message.
#pragma once

#include "queuereader/task.h"

namespace rivulet {

class CountTask final : public Task {
 public:
  Outcome Run(const Message& message, Context&) override {
    ++(message.Has("_heartbeat_") ? heartbeats_ : messages_);
    return Outcome::Done();
  }
  std::string Save() const override;
  Status Load(std::string_view saved) override;
  void Summarize(Summary& summary) const override {
    summary.Count("messages", messages_);
    summary.Count("heartbeats", heartbeats_);
  }

 private:
  std::uint64_t messages_ = 0;
  std::uint64_t heartbeats_ = 0;
};

}  // namespace rivulet
