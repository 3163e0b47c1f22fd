// What the topics tell of every message that must survive a restart. TopicSet calls it;
// pubsub/durability.h writes it to the journal, and calls TopicSet::Reveal() once the message is as
// safe as --sync says; topics in memory have none.
#pragma once

#include "pubsub/message.h"

namespace rivulet {

class Topic;

class TopicLog {
 public:
  virtual ~TopicLog() = default;
  /// A new message, in the order of sequences. Its bytes must be kept until it is revealed.
  virtual void OnPublish(Topic* topic, const TopicMessage& message) = 0;
};

}  // namespace rivulet
