// Cuts a stream of frames with positions into messages and notices: what a pubsub of ours answers
// to /sub?format=framed&offsets=1.
//
//   17 5\nhello\n                  a message of 5 bytes at offset 17
//   42 clicks 17 5\nhello\n        the same in a stream of several topics: sequence, topic, offset
//   - 29\n{"_gap_":{...}}\n        a notice
//
// Pure: no I/O, no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rivulet {

class FrameSplitter {
 public:
  /// What the frames go to. The views are valid during the call.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void OnFrame(std::uint64_t position, std::string_view message) = 0;
    virtual void OnLongFrame(std::uint64_t position) = 0;
    virtual void OnNotice(std::string_view notice) = 0;
  };

  /// Messages longer than `max_message_bytes` are passed over and told once; at most that much is
  /// ever held.
  explicit FrameSplitter(std::size_t max_message_bytes) : max_message_bytes_(max_message_bytes) {}

  /// Tells every frame that `data` completes. A message within one piece is not copied. False when
  /// what comes is no frame: nothing behind it can be read until Reset(). O(bytes).
  bool Feed(std::string_view data, Sink* sink);
  /// A new connection begins.
  void Reset();

 private:
  enum class State { kHead, kBody, kBroken };
  static constexpr std::size_t kMaxHeadBytes = 256;
  static constexpr std::size_t kKeptBytes = 64 * 1024;

  void TakeWhole(std::string_view* data, Sink* sink) const;
  bool TakeHead(std::string_view* data);
  bool ParseHead(std::string_view head);
  bool TakeBody(std::string_view* data, Sink* sink);
  void Tell(std::string_view body, Sink* sink) const;

  std::size_t max_message_bytes_;
  State state_ = State::kHead;
  std::string held_;                       // the head or the body so far
  std::optional<std::uint64_t> position_;  // of the frame; nothing: a notice
  std::uint64_t body_left_ = 0;            // of the body and its newline, what has not come
  bool too_long_ = false;
};

}  // namespace rivulet
