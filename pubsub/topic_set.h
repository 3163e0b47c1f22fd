// The topics by name, and the feeds that people listen to. A topic is made by its first use.
//
// At most max_topics exist. When there is no room, a topic that nobody could miss is forgotten: one
// that no feed names and to which nothing was ever published. A topic with a past is kept: were it
// forgotten, its offsets would begin anew and a gap could not be seen (promise P6).
//
// A message is published (numbered, and told to the log if there is one), then revealed: from there
// on subscribers see it. Without a log both happen at once.
//
// Thread: the loop's. No clock, no I/O.
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
#include "pubsub/feed.h"
#include "pubsub/memory_past.h"
#include "pubsub/topic.h"
#include "pubsub/topic_log.h"

namespace rivulet {

struct TopicSetConfig {
  std::size_t max_topics = 1000;
  Retention retention;  // in memory; not read where a log gives the pasts
};

class TopicSet {
 public:
  explicit TopicSet(TopicSetConfig config) : config_(config) {}
  ~TopicSet();
  TopicSet(const TopicSet&) = delete;
  TopicSet& operator=(const TopicSet&) = delete;

  /// With a log, topics are given their pasts by `make_past` (called once for each new topic), and
  /// messages are revealed by the log. Before the first topic. `log` must outlive the set's use.
  using PastMaker = std::function<std::unique_ptr<Past>(Topic* topic)>;
  void SetLog(TopicLog* log, PastMaker make_past);

  /// The topic of that name, made if need be. kInvalidArgument: not a name; kExhausted: no room.
  /// It stays valid until a later Get() of another name, and as long as a feed names it or it has a
  /// message.
  Result<Topic*> Get(std::string_view name);
  /// nullptr when there is none.
  Topic* Find(std::string_view name);

  /// Publishes one message, any bytes. O(message), for each feed and framing in use.
  void Publish(Topic* topic, std::string_view body, WallTime now);
  /// Publishes one message a line and returns how many. A newline at the end adds none, an empty
  /// line is an empty message, a carriage return is kept.
  std::uint64_t PublishLines(Topic* topic, std::string_view body, WallTime now);
  /// Of the log: in the order of sequences.
  void Reveal(Topic* topic, const TopicMessage& message);

  /// The feed of that selection and filter (which may be null), made if need be; the topics that
  /// the selection names are made too. kExhausted: no room for those. It must get a subscription
  /// before the loop comes by again, and lives until Drop() finds it without one.
  Result<Feed*> FeedOf(const Selection& selection, std::shared_ptr<Filter> filter);
  /// Forgets a feed that nobody listens to any more. Called when a subscription has left; the feed
  /// itself stays until all its subscriptions are destroyed. Nothing happens when somebody listens.
  void Drop(Feed* feed);

  /// A subscription of this feed, which is of several topics, ends at a sequence that a message of
  /// another topic may reach: Deliver() looks after it.
  void WatchEnds(Feed* feed);

  /// Feed::Deliver of each feed that was appended to. Whoever is told may make and drop feeds.
  void Deliver(std::uint64_t max_pending_bytes);
  /// Lets go of what is too old at `now`, of pasts in memory, and of feeds that nobody has any
  /// more.
  void Trim(WallTime now);

  /// Sequence of the next message that is published, and of the next one that is revealed.
  std::uint64_t next_sequence() const { return next_sequence_; }
  std::uint64_t end_sequence() const { return end_sequence_; }

  std::size_t size() const { return topics_.size(); }
  std::size_t feeds() const { return feeds_.size(); }
  /// In the order of their names.
  void ForEach(const std::function<void(const Topic&)>& visit) const;
  const BlockPool& pool() const { return pool_; }
  /// Blocks, and what pasts in memory hold.
  std::uint64_t memory_bytes() const;

  // Of recovery, before anything is published.
  /// The topic as it was: what it is called, its number, and the offset it has come to. Also beyond
  /// max_topics. kCorrupt: not a name, or the name of a topic with another number.
  Result<Topic*> Restore(std::string_view name, std::uint32_t number, std::uint64_t next_offset);
  void RestoreOffset(Topic* topic, std::uint64_t next_offset);
  void RestoreSequence(std::uint64_t next_sequence, WallTime last_time);

 private:
  Result<Topic*> GetSparing(std::string_view name, const Selection* spared);
  void MarkEnds();
  bool ForgetOne(const Selection* spared);
  Topic* Make(std::string_view name, std::uint32_t number, std::uint64_t next_offset);
  std::unique_ptr<Past> MakePast(Topic* topic);
  static void Join(Feed* feed, Topic* topic);
  static void Part(Feed* feed, Topic* topic);
  void FreeDropped();

  TopicSetConfig config_;
  BlockPool pool_;  // outlives the feeds
  TopicLog* log_ = nullptr;
  PastMaker make_past_;
  std::map<std::string, std::unique_ptr<Topic>, std::less<>> topics_;
  std::map<std::string, std::unique_ptr<Feed>, std::less<>> feeds_;  // by selection and filter
  std::vector<std::unique_ptr<Feed>> dropped_;  // not found any more, and soon freed
  std::vector<Feed*> due_;
  std::vector<Feed*> ending_;     // of WatchEnds
  std::vector<Feed*> delivered_;  // while Deliver() runs
  bool delivering_ = false;
  std::uint32_t next_number_ = 0;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t end_sequence_ = 0;
  WallTime last_time_{};  // times never go back
};

}  // namespace rivulet
