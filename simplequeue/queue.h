// The heart of simplequeue: one named queue. Knows no clock, no socket, no HTTP.
//
// Ready messages leave in the order they came. A message has an id, dense and growing by one in its
// queue. What is ready is kept as runs of consecutive ids, so that a million fresh messages cost
// one run, and a message that goes back to the tail (requeue, an expired lease) costs a run of its
// own. Leases, delays and dead letters come beside the ready runs; the message table serves them
// all.
//
// Thread: one. Every operation is O(1) amortised, but where stated.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "simplequeue/arena.h"
#include "simplequeue/message_table.h"

namespace rivulet {

/// 0 means without bound.
struct QueueLimits {
  std::uint64_t max_depth = 0;  // ready messages
  std::uint64_t max_bytes = 0;  // of their bodies
};

struct QueueStats {
  std::uint64_t puts = 0;              // messages accepted
  std::uint64_t gets = 0;              // messages taken
  std::uint64_t depth_high_water = 0;  // most ready messages at a time
  std::uint64_t overflow = 0;          // messages moved out to make room
};

class Queue {
 public:
  /// A message in its place; the body is valid until the message leaves or another is put.
  struct Message {
    std::uint64_t id = 0;
    std::string_view body;
  };

  /// A place in the order of leaving. Holds nothing: messages may leave while one looks.
  struct Cursor {
    std::uint64_t position = 0;
  };

  /// `arena` must outlive the queue.
  Queue(std::string name, QueueLimits limits, Arena* arena);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  /// Whether so many more messages stay within the limits.
  bool Fits(std::uint64_t messages, std::uint64_t bytes) const;
  /// Adds at the tail, whatever the limits. Returns the id.
  std::uint64_t Put(std::string_view body);

  /// The ready message at or after the cursor; moves the cursor behind it. False at the end.
  /// O(log runs) when messages were requeued, else O(1).
  bool Next(Cursor* cursor, Message* message) const;
  /// Replaces `out` with the oldest ready messages, at most `max`. O(messages).
  void Front(std::uint64_t max, std::vector<Message>* out) const;
  /// Takes the oldest ready message and forgets it. Requires depth() > 0.
  void TakeFront();
  /// Takes and forgets what Front() gave, nothing having been put or taken since. O(messages).
  void Take(const std::vector<Message>& front);
  /// As TakeFront, but a message makes room for others: counted as overflow.
  void OverflowFront();
  /// Counts messages that were accepted and made room at once, without having been in the queue.
  void CountPassed(std::uint64_t messages) {
    stats_.puts += messages;
    stats_.overflow += messages;
  }

  std::uint64_t depth() const { return depth_; }
  std::uint64_t bytes() const { return bytes_; }
  const std::string& name() const { return name_; }
  const QueueLimits& limits() const { return limits_; }
  const QueueStats& stats() const { return stats_; }
  /// Counts from zero again; the high water becomes the present depth.
  void ResetStats();

 private:
  /// Consecutive ids at consecutive positions in the order of leaving.
  struct Run {
    std::uint64_t position;
    std::uint64_t first_id;
    std::uint64_t count;
  };

  void PushReady(std::uint64_t id);
  std::uint64_t FrontBytes() const;
  /// The oldest `count` ready messages, which hold `bytes`. Reads no body.
  void Forget(std::uint64_t count, std::uint64_t bytes);

  std::string name_;
  QueueLimits limits_;
  Arena* arena_;
  MessageTable table_;
  std::deque<Run> ready_;  // by position
  std::uint64_t next_position_ = 0;
  std::uint64_t depth_ = 0;
  std::uint64_t bytes_ = 0;
  QueueStats stats_;
};

}  // namespace rivulet
