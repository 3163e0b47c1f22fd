#include "pubsub/topic.h"

namespace rivulet {

std::size_t Topic::subscribers() const {
  std::size_t subscribers = 0;
  for (const Feed* feed : feeds_) subscribers += feed->subscribers();
  return subscribers;
}

std::uint64_t Topic::held_bytes() const {
  std::uint64_t bytes = 0;
  for (const Feed* feed : feeds_) bytes += feed->held_bytes();
  return bytes;
}

}  // namespace rivulet
