#include "simplequeue/queue_keys.h"

namespace rivulet {

void QueueKeys::Add(std::string_view key, std::uint64_t id, MonoTime until) {
  auto entry = keys_.find(key);
  if (entry == keys_.end()) {
    entry = keys_.emplace(key, Value{id, until}).first;
  } else {
    entry->second = {id, until};
  }
  by_id_.push_back({id, entry});
}

std::optional<std::uint64_t> QueueKeys::Find(std::string_view key, MonoTime now) const {
  const auto entry = keys_.find(key);
  if (entry == keys_.end() || entry->second.until <= now) return std::nullopt;
  return entry->second.id;
}

void QueueKeys::Expire(MonoTime now) {
  while (!by_id_.empty()) {
    const ById& oldest = by_id_.front();
    // A key that was put again belongs to the later message, whose turn comes.
    const bool current = oldest.entry->second.id == oldest.id;
    if (current && oldest.entry->second.until > now) return;
    if (current) keys_.erase(oldest.entry);
    by_id_.pop_front();
  }
}

void QueueKeys::Restore(std::string_view key, std::uint64_t id, MonoTime until) {
  const auto [entry, is_new] = keys_.try_emplace(std::string(key), Value{id, until});
  if (!is_new && entry->second.id <= id) entry->second = {id, until};
}

void QueueKeys::EndRestore(MonoTime now) {
  std::erase_if(keys_, [now](const auto& entry) { return entry.second.until <= now; });
  by_id_.clear();
  for (auto entry = keys_.begin(); entry != keys_.end(); ++entry) {
    by_id_.push_back({entry->second.id, entry});
  }
  std::sort(by_id_.begin(), by_id_.end(), [](const ById& a, const ById& b) { return a.id < b.id; });
}

}  // namespace rivulet
