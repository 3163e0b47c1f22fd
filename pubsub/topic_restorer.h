// From the records of a journal to topics, their pasts and keys: at the start of the daemon.
//
// Records come in the order they were written. A run of messages may be told several times: once
// published, and again whenever its segment was cleaned.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "pubsub/disk_past.h"
#include "pubsub/record.h"

namespace rivulet {

class PublishKeys;
class Topic;
class TopicSet;

struct RestoredTopics {
  std::uint64_t topics = 0;
  std::uint64_t messages = 0;  // kept
  std::uint64_t bytes = 0;     // of their bodies
  std::uint64_t keys = 0;
  std::uint64_t next_sequence = 0;
  WallTime last_time{};  // of a message
};

class TopicRestorer {
 public:
  /// `topics`, whose pasts are DiskPasts (or none), and `keys` must outlive it, and hold nothing
  /// but what the restorer puts there. `salvage`: the record that names a topic may be lost, and
  /// messages between others. Then what concerns the topic waits until another record names it, as
  /// each segment has one; or it comes back as "nameless-NUMBER".
  TopicRestorer(TopicSet* topics, PublishKeys* keys, bool salvage)
      : topics_(topics), keys_(keys), salvage_(salvage) {}

  /// kCorrupt for a record that could not have been written here, one of a topic without a name
  /// among them. O(messages of the record).
  Status Visit(std::string_view record, const RecordPlace& place);
  /// The one visited last.
  const TopicRecord& record() const { return record_; }
  /// After the last record: puts all in order, and lets go of what is too much or too old at `now`.
  RestoredTopics End(WallTime now);

 private:
  struct Restored {
    Topic* topic = nullptr;
    DiskPast* past = nullptr;
    std::uint64_t next_offset = 0;
  };
  struct Key {
    std::uint32_t topic = 0;
    std::string key;
    PublishedUnderKey what;
    std::uint64_t segment = 0;
  };

  Status VisitTopic();
  void VisitRun(const PlacedRun& run);
  void EndKeys(WallTime now);

  TopicSet* topics_;
  PublishKeys* keys_;
  bool salvage_;
  TopicRecord record_;
  std::map<std::uint32_t, Restored> restored_;  // by number
  std::uint32_t last_number_ = 0;
  Restored* last_ = nullptr;  // of that number
  std::map<std::uint32_t, std::vector<PlacedRun>> nameless_;
  std::vector<Key> found_keys_;
  RestoredTopics counts_;
};

}  // namespace rivulet
