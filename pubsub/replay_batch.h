// What a replay has encoded for its socket, and the socket has not taken yet.
//
// Messages are encoded, up to 64 KiB at a time, into one buffer that all replays share. A replay
// whose socket did not take all of it keeps the rest as its own once another one needs the buffer:
// the pasts may let go of those messages before the socket can take more. A message larger than the
// buffer is encoded into memory of its own, once for all replays that are at it, and held until the
// last of them has sent it.
//
// Thread: the loop's.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pubsub/framing.h"
#include "pubsub/message.h"

namespace rivulet {

class Feed;
class ReplayBatch;

/// Shared by all replays of a TopicSet.
struct ReplayBuffer {
  static constexpr std::size_t kBytes = 64 * 1024;
  /// An encoded message larger than kBytes, for as long as a replay holds it.
  struct LargeMessage {
    std::uint64_t sequence = 0;
    Framing framing{};
    bool single = false;  // its position is of one topic, or not written
    std::size_t size = 0;
    std::weak_ptr<char[]> bytes;
  };

  /// nullptr if no replay holds it now. O(large messages held).
  const LargeMessage* FindLarge(std::uint64_t sequence, Framing framing, bool single) const;
  /// Forgets those that nobody holds any more. O(large messages held).
  void AddLarge(LargeMessage message);
  /// What replays hold beside `bytes`. O(large messages held).
  std::uint64_t held_bytes() const;

  std::unique_ptr<char[]> bytes = std::make_unique_for_overwrite<char[]>(kBytes);
  std::vector<std::size_t> ends;  // of the messages in it
  ReplayBatch* owner = nullptr;   // whose unsent bytes it holds
  std::uint64_t kept_bytes = 0;   // by replays, of what was in it
  std::vector<LargeMessage> large;
};

class ReplayBatch {
 public:
  /// `feed` and `buffer` must outlive it.
  ReplayBatch(const Feed* feed, Framing framing, ReplayBuffer* buffer);
  ~ReplayBatch();
  ReplayBatch(const ReplayBatch&) = delete;
  ReplayBatch& operator=(const ReplayBatch&) = delete;

  /// Takes the shared buffer for what is put next, while empty(): together at most max_bytes,
  /// unless one message alone is larger.
  void Begin(std::size_t max_bytes);
  /// Encodes one more, after Begin(). False: it does not fit. O(body), but O(1) where another
  /// replay holds it already.
  bool Put(const TopicMessage& message);
  /// No more is put; an empty one gives the buffer back.
  void End();

  /// While not empty(): points at the next bytes, at most max_bytes. They end where a message ends,
  /// unless one message alone is larger; true where they end inside one. O(log messages). The piece
  /// is valid until the buffer is wanted by another replay, or Consume().
  bool Gather(std::size_t max_bytes, iovec* piece) const;
  /// The first `bytes` of what was gathered were taken. Returns how many messages ended in them.
  std::uint64_t Consume(std::size_t bytes);

  bool empty() const { return sent_ == bytes_; }
  /// A part of a message was taken, and the rest not yet.
  bool mid_message() const { return sent_ > message_sent_; }
  std::size_t unsent_bytes() const { return bytes_ - sent_; }
  /// One in the middle counts.
  std::size_t unsent_messages() const { return ends_ == nullptr ? 0 : ends_->size() - ended_; }

 private:
  bool PutLarge(const TopicMessage& message);
  void WritePosition(const TopicMessage& message);
  void KeepRest();
  void Drop();

  const Feed* feed_;
  Framing framing_;
  bool single_;
  bool has_positions_;
  ReplayBuffer* buffer_;

  std::size_t room_bytes_ = 0;
  std::size_t bytes_ = 0;  // encoded: in the shared buffer or in own_
  std::size_t sent_ = 0;
  std::size_t message_sent_ = 0;  // where the message begins in which sent_ stands
  std::size_t ended_ = 0;         // messages that were sent
  std::vector<std::size_t>* ends_ = nullptr;
  std::shared_ptr<char[]> own_;  // a large message, of all who send it, or what was kept
  std::size_t kept_bytes_ = 0;   // of the latter
  std::vector<std::size_t> own_ends_;
  std::string position_text_;
};

}  // namespace rivulet
