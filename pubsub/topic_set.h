// The topics by name. A topic is made by its first use.
//
// At most max_topics exist. When there is no room, a topic that nobody could miss is forgotten: one
// without a subscriber to which nothing was ever published. A topic with a past is kept: were it
// forgotten, its offsets would begin anew and a gap could not be seen (promise P6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "pubsub/block.h"
#include "pubsub/topic.h"

namespace rivulet {

class TopicSet {
 public:
  explicit TopicSet(std::size_t max_topics) : max_topics_(max_topics) {}

  /// The topic of that name, made if need be. kInvalidArgument: not a name; kExhausted: no room.
  /// It stays valid until a later Get() of another name, and as long as it has a subscriber or a
  /// message.
  Result<Topic*> Get(std::string_view name);
  /// nullptr when there is none.
  Topic* Find(std::string_view name);

  /// `topic` has new messages: the next Deliver() includes it.
  void Published(Topic* topic);
  /// Topic::Deliver of each topic that was published to.
  void Deliver(std::uint64_t max_pending_bytes);

  std::size_t size() const { return topics_.size(); }
  /// In the order of their names.
  void ForEach(const std::function<void(const Topic&)>& visit) const;
  const BlockPool& pool() const { return pool_; }

 private:
  bool ForgetOne();

  std::size_t max_topics_;
  BlockPool pool_;  // outlives the topics
  std::map<std::string, std::unique_ptr<Topic>, std::less<>> topics_;
  std::vector<Topic*> published_;
};

}  // namespace rivulet
