#include "pubsub/topic_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/names.h"

namespace rivulet {

namespace {

bool Names(const Selection& selection, const std::string& topic) {
  return std::binary_search(selection.names().begin(), selection.names().end(), topic);
}

}  // namespace

TopicSet::~TopicSet() = default;

void TopicSet::SetLog(TopicLog* log, PastMaker make_past) {
  assert(topics_.empty());
  log_ = log;
  make_past_ = std::move(make_past);
}

Result<Topic*> TopicSet::Get(std::string_view name) { return GetSparing(name, nullptr); }

Result<Topic*> TopicSet::GetSparing(std::string_view name, const Selection* spared) {
  if (Topic* const topic = Find(name)) return topic;
  if (!IsName(name)) {
    // The name itself may hold anything, so it is not repeated.
    return InvalidArgument(fmt::format("topic: {}", kNameRule));
  }
  if (topics_.size() >= config_.max_topics && !ForgetOne(spared)) {
    return Status(StatusCode::kExhausted,
                  fmt::format("topic \"{}\" cannot be made: there are {} topics already, as many "
                              "as --max-topics allows",
                              name, topics_.size()));
  }
  return Make(name, next_number_, 0);
}

Topic* TopicSet::Find(std::string_view name) {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : found->second.get();
}

Topic* TopicSet::Make(std::string_view name, std::uint32_t number, std::uint64_t next_offset) {
  auto topic = std::make_unique<Topic>(std::string(name), number);
  Topic* const made = topic.get();
  made->next_offset_ = made->end_offset_ = next_offset;
  next_number_ = std::max(next_number_, number + 1);
  topics_.emplace(std::string(name), std::move(topic));
  made->past_ = MakePast(made);
  for (const auto& [key, feed] : feeds_) {
    if (feed->selection_.Matches(name)) Join(feed.get(), made);
  }
  return made;
}

std::unique_ptr<Past> TopicSet::MakePast(Topic* topic) {
  if (log_ != nullptr) return make_past_(topic);
  if (config_.retention.bytes == 0) return nullptr;
  auto past = std::make_unique<MemoryPast>(config_.retention, topic->next_offset_);
  topic->memory_past_ = past.get();
  return past;
}

bool TopicSet::ForgetOne(const Selection* spared) {
  const auto unused = std::find_if(topics_.begin(), topics_.end(), [spared](const auto& entry) {
    return entry.second->named_ == 0 && entry.second->next_offset_ == 0 &&
           (spared == nullptr || !Names(*spared, entry.first));
  });
  if (unused == topics_.end()) return false;
  Topic* const topic = unused->second.get();
  for (Feed* feed : std::exchange(topic->feeds_, {})) std::erase(feed->topics_, topic);
  topics_.erase(unused);
  return true;
}

void TopicSet::Join(Feed* feed, Topic* topic) {
  feed->topics_.push_back(topic);
  topic->feeds_.push_back(feed);
  if (Names(feed->selection_, topic->name_)) ++topic->named_;
}

void TopicSet::Part(Feed* feed, Topic* topic) {
  std::erase(topic->feeds_, feed);
  if (Names(feed->selection_, topic->name_)) --topic->named_;
}

void TopicSet::Publish(Topic* topic, std::string_view body, WallTime now) {
  last_time_ = std::max(last_time_, now);
  const TopicMessage message{topic->name_, topic->next_offset_++, next_sequence_++, last_time_,
                             body};
  topic->published_bytes_ += body.size();
  if (log_ != nullptr) {
    log_->OnPublish(topic, message);
  } else {
    Reveal(topic, message);
  }
}

std::uint64_t TopicSet::PublishLines(Topic* topic, std::string_view body, WallTime now) {
  std::uint64_t lines = 0;
  while (!body.empty()) {
    const std::size_t end = body.find('\n');
    Publish(topic, body.substr(0, end), now);
    ++lines;
    if (end == std::string_view::npos) break;
    body.remove_prefix(end + 1);
  }
  return lines;
}

void TopicSet::Reveal(Topic* topic, const TopicMessage& message) {
  assert(message.offset == topic->end_offset_);
  topic->end_offset_ = message.offset + 1;
  end_sequence_ = message.sequence + 1;
  if (topic->memory_past_ != nullptr) topic->memory_past_->Append(message);
  for (Feed* feed : topic->feeds_) {
    if (!feed->Append(message) || std::exchange(feed->delivery_due_, true)) continue;
    due_.push_back(feed);
  }
}

Result<Feed*> TopicSet::FeedOf(const Selection& selection, std::shared_ptr<Filter> filter) {
  FreeDropped();
  std::string key = selection.text();
  // No item has a space in it.
  if (filter) key.append(" ").append(filter->text());
  if (const auto found = feeds_.find(key); found != feeds_.end()) return found->second.get();
  for (const std::string& name : selection.names()) {
    if (const auto topic = GetSparing(name, &selection); !topic.ok()) return topic.status();
  }
  auto feed = std::make_unique<Feed>(selection, std::move(filter), &pool_);
  feed->next_position_ =
      selection.single() ? Find(selection.names().front())->end_offset() : end_sequence_;
  if (selection.has_patterns()) {
    for (const auto& [name, topic] : topics_) {
      if (selection.Matches(name)) Join(feed.get(), topic.get());
    }
  } else {
    for (const std::string& name : selection.names()) Join(feed.get(), Find(name));
  }
  return feeds_.emplace(std::move(key), std::move(feed)).first->second.get();
}

void TopicSet::Drop(Feed* feed) {
  if (feed->subscribers_ == 0 && !std::exchange(feed->dropped_, true)) {
    for (Topic* topic : std::exchange(feed->topics_, {})) Part(feed, topic);
    std::string key = feed->selection_.text();
    if (feed->filter_) key.append(" ").append(feed->filter_->text());
    const auto found = feeds_.find(key);
    dropped_.push_back(std::move(found->second));
    feeds_.erase(found);
  }
  FreeDropped();
}

// Not one that is being delivered, nor one that a subscription knows still: it may have left long
// ago, and have a last word to send.
void TopicSet::FreeDropped() {
  if (delivering_) return;
  std::erase_if(dropped_, [this](const std::unique_ptr<Feed>& feed) {
    if (feed->references_ > 0) return false;
    if (feed->delivery_due_) std::erase(due_, feed.get());
    std::erase(ending_, feed.get());
    return true;
  });
}

void TopicSet::WatchEnds(Feed* feed) {
  if (std::find(ending_.begin(), ending_.end(), feed) == ending_.end()) ending_.push_back(feed);
}

// Its own messages mark a feed's ends by themselves.
void TopicSet::MarkEnds() {
  std::erase_if(ending_, [this](Feed* feed) {
    if (feed->first_until_ <= end_sequence_) {
      feed->MarkEnds(end_sequence_);
      if (!std::exchange(feed->delivery_due_, true)) due_.push_back(feed);
    }
    return feed->subscribers() == 0;
  });
}

void TopicSet::Deliver(std::uint64_t max_pending_bytes) {
  assert(!delivering_);
  if (!ending_.empty()) MarkEnds();
  delivering_ = true;
  std::swap(due_, delivered_);
  for (Feed* feed : delivered_) {
    feed->delivery_due_ = false;
    feed->Deliver(max_pending_bytes);
  }
  delivered_.clear();
  delivering_ = false;
  FreeDropped();
}

void TopicSet::Trim(WallTime now) {
  FreeDropped();
  if (config_.retention.time <= Duration::zero()) return;
  for (const auto& [name, topic] : topics_) {
    if (topic->memory_past_ != nullptr) topic->memory_past_->Trim(now);
  }
}

void TopicSet::ForEach(const std::function<void(const Topic&)>& visit) const {
  for (const auto& [name, topic] : topics_) visit(*topic);
}

std::uint64_t TopicSet::memory_bytes() const {
  std::uint64_t bytes = pool_.live_bytes();
  for (const auto& [name, topic] : topics_) {
    if (topic->memory_past_ != nullptr) bytes += topic->memory_past_->memory_bytes();
  }
  return bytes;
}

Result<Topic*> TopicSet::Restore(std::string_view name, std::uint32_t number,
                                 std::uint64_t next_offset) {
  if (!IsName(name)) {
    return Status(StatusCode::kCorrupt,
                  fmt::format("the name of topic number {} {}", number, kNameRule));
  }
  if (Topic* const topic = Find(name)) {
    if (topic->number_ != number) {
      return Status(StatusCode::kCorrupt, fmt::format("topic \"{}\" has number {} and number {}",
                                                      name, topic->number_, number));
    }
    RestoreOffset(topic, next_offset);
    return topic;
  }
  return Make(name, number, next_offset);
}

void TopicSet::RestoreOffset(Topic* topic, std::uint64_t next_offset) {
  topic->next_offset_ = topic->end_offset_ = next_offset;
}

void TopicSet::RestoreSequence(std::uint64_t next_sequence, WallTime last_time) {
  next_sequence_ = end_sequence_ = next_sequence;
  last_time_ = last_time;
}

}  // namespace rivulet
