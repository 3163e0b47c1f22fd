// What a queue's ready messages are, in the order of leaving, as one text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simplequeue/queue.h"

namespace rivulet {

inline std::string ReadyBodies(const Queue& queue) {
  std::string out;
  std::vector<MessageInfo> messages;
  queue.Peek(MessageState::kReady, UINT64_MAX, &messages);
  for (const MessageInfo& message : messages) out += message.body;
  return out;
}

}  // namespace rivulet
