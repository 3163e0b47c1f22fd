#include "pubsub/topic_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/names.h"

namespace rivulet {

Result<Topic*> TopicSet::Get(std::string_view name) {
  if (Topic* const topic = Find(name)) return topic;
  if (!IsName(name)) {
    // The name itself may hold anything, so it is not repeated.
    return InvalidArgument(fmt::format("topic: {}", kNameRule));
  }
  if (topics_.size() >= max_topics_ && !ForgetOne()) {
    return Status(StatusCode::kExhausted,
                  fmt::format("topic \"{}\" cannot be made: there are {} topics already, as many "
                              "as --max-topics allows",
                              name, topics_.size()));
  }
  auto topic = std::make_unique<Topic>(std::string(name), &pool_);
  Topic* const made = topic.get();
  topics_.emplace(std::string(name), std::move(topic));
  return made;
}

Topic* TopicSet::Find(std::string_view name) {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : found->second.get();
}

bool TopicSet::ForgetOne() {
  const auto unused = std::find_if(topics_.begin(), topics_.end(), [](const auto& entry) {
    return entry.second->subscribers() == 0 && entry.second->next_offset() == 0;
  });
  if (unused == topics_.end()) return false;
  topics_.erase(unused);
  return true;
}

void TopicSet::Published(Topic* topic) {
  if (std::exchange(topic->delivery_due_, true)) return;
  published_.push_back(topic);
}

void TopicSet::Deliver(std::uint64_t max_pending_bytes) {
  for (Topic* topic : std::exchange(published_, {})) {
    topic->delivery_due_ = false;
    topic->Deliver(max_pending_bytes);
  }
}

void TopicSet::ForEach(const std::function<void(const Topic&)>& visit) const {
  for (const auto& [name, topic] : topics_) visit(*topic);
}

}  // namespace rivulet
