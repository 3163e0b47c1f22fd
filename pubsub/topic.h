// A topic: a name, dense offsets, what it keeps of its past, and the feeds that it goes to.
//
// Thread: the loop's. No clock, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pubsub/feed.h"
#include "pubsub/past.h"

namespace rivulet {

class MemoryPast;

class Topic {
 public:
  Topic(std::string name, std::uint32_t number) : name_(std::move(name)), number_(number) {}
  Topic(const Topic&) = delete;
  Topic& operator=(const Topic&) = delete;

  const std::string& name() const { return name_; }
  /// Of its making, dense from 0; the journal's name for it.
  std::uint32_t number() const { return number_; }

  /// Offset of the next message that is published.
  std::uint64_t next_offset() const { return next_offset_; }
  /// Offset of the next message that subscribers get: next_offset(), but for messages whose record
  /// is not yet as safe as --sync says.
  std::uint64_t end_offset() const { return end_offset_; }
  /// The first offset that can be had again: end_offset() when nothing is kept.
  std::uint64_t first_offset() const { return past_ ? past_->first_offset() : end_offset_; }
  std::uint64_t retained_bytes() const { return past_ ? past_->retained_bytes() : 0; }
  /// nullptr when nothing is kept.
  Past* past() const { return past_.get(); }

  std::uint64_t published_bytes() const { return published_bytes_; }
  /// Over all feeds that it goes to.
  std::size_t subscribers() const;
  /// Encoded bytes that its feeds hold for subscribers that have not read them (a feed of several
  /// topics counts whole in each).
  std::uint64_t held_bytes() const;
  const std::vector<Feed*>& feeds() const { return feeds_; }

 private:
  friend class TopicSet;

  std::string name_;
  std::uint32_t number_;
  std::uint64_t next_offset_ = 0;
  std::uint64_t end_offset_ = 0;
  std::uint64_t published_bytes_ = 0;
  std::vector<Feed*> feeds_;
  std::size_t named_ = 0;  // of those feeds, by how many the topic is named
  std::unique_ptr<Past> past_;
  MemoryPast* memory_past_ = nullptr;  // past_, if it is in memory
};

}  // namespace rivulet
