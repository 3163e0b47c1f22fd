#include "pubsub/publish_keys.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <list>
#include <unordered_map>

namespace rivulet {

struct PublishKeys::Impl {
  struct Entry {
    std::string text;  // the topic, NUL, the key: no topic has a NUL
    std::size_t topic_bytes = 0;
    PublishedUnderKey what;
    std::uint64_t place = 0;
  };
  struct Hash {
    std::uint64_t seed = 0;
    std::size_t operator()(std::string_view text) const {
      return XXH3_64bits_withSeed(text.data(), text.size(), seed);
    }
  };
  using Entries = std::list<Entry>;

  Impl(std::size_t keys, std::uint64_t seed) : max_keys(keys), by_text(0, Hash{seed}) {}

  std::string_view TextOf(std::string_view topic, std::string_view key) {
    sought.assign(topic);
    sought += '\0';
    sought += key;
    return sought;
  }
  void Forget(Entries::iterator entry) {
    by_text.erase(entry->text);
    entries.erase(entry);
  }

  std::size_t max_keys;
  Entries entries;                                                        // oldest first
  std::unordered_map<std::string_view, Entries::iterator, Hash> by_text;  // borrows their texts
  std::string sought;
};

PublishKeys::PublishKeys(std::size_t max_keys, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(max_keys, seed)) {}

PublishKeys::~PublishKeys() = default;

std::optional<PublishedUnderKey> PublishKeys::Find(std::string_view topic, std::string_view key,
                                                   WallTime now) const {
  const auto found = impl_->by_text.find(impl_->TextOf(topic, key));
  if (found == impl_->by_text.end() || found->second->what.until <= now) return std::nullopt;
  return found->second->what;
}

void PublishKeys::Add(std::string_view topic, std::string_view key, const PublishedUnderKey& what) {
  if (impl_->max_keys == 0) return;
  const auto found = impl_->by_text.find(impl_->TextOf(topic, key));
  if (found != impl_->by_text.end()) impl_->Forget(found->second);
  if (impl_->entries.size() >= impl_->max_keys) impl_->Forget(impl_->entries.begin());
  impl_->entries.push_back({impl_->sought, topic.size(), what, 0});
  const auto entry = std::prev(impl_->entries.end());
  impl_->by_text.emplace(entry->text, entry);
}

void PublishKeys::Expire(WallTime now) {
  while (!impl_->entries.empty() && impl_->entries.front().what.until <= now) {
    impl_->Forget(impl_->entries.begin());
  }
}

std::size_t PublishKeys::size() const { return impl_->entries.size(); }

void PublishKeys::SetPlace(std::string_view topic, std::string_view key, std::uint64_t place) {
  const auto found = impl_->by_text.find(impl_->TextOf(topic, key));
  if (found != impl_->by_text.end()) found->second->place = place;
}

void PublishKeys::ForEach(const Visitor& visit) {
  for (Impl::Entry& entry : impl_->entries) {
    const std::string_view text(entry.text);
    if (!visit(text.substr(0, entry.topic_bytes), text.substr(entry.topic_bytes + 1), entry.what,
               &entry.place)) {
      return;
    }
  }
}

}  // namespace rivulet
