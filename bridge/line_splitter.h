// Cuts the stream of a /sub?multipart=0 response into messages.
//
// A message is what stands between two newlines, byte for byte: NUL and a trailing CR are kept.
// Empty lines are no messages. The first line of a connection, when it is a lone CR, is pubsub's
// greeting ("\r\n") and no message either. Pure: no I/O, no clock.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

namespace rivulet {

class LineSplitter {
 public:
  /// Lines longer than `max_message_bytes` are passed over; at most that much is ever held.
  explicit LineSplitter(std::size_t max_message_bytes) : max_message_bytes_(max_message_bytes) {}

  /// Calls `sink.OnMessage(std::string_view)` for every line that `data` completes and
  /// `sink.OnTooLong()` once for every line that is too long. The view is valid during the call. A
  /// line within one piece is not copied. O(bytes).
  template <typename Sink>
  void Feed(std::string_view data, Sink& sink) {
    while (!data.empty()) {
      const void* end = std::memchr(data.data(), '\n', data.size());
      if (end == nullptr) return Keep(data, sink);
      const auto size = static_cast<std::size_t>(static_cast<const char*>(end) - data.data());
      const auto line = data.substr(0, size);
      data.remove_prefix(size + 1);
      if (partial_.empty() && !discarding_) {
        Emit(line, sink);
      } else {
        Keep(line, sink);
        EmitPartial(sink);
      }
    }
  }

  /// The stream ended as it should: a last line without its newline is a message too.
  template <typename Sink>
  void Finish(Sink& sink) {
    if (!partial_.empty()) EmitPartial(sink);
    Reset();
  }

  /// A new connection begins. True when an unfinished line was thrown away.
  bool Reset() {
    const bool lost = !partial_.empty() || discarding_;
    partial_.clear();
    discarding_ = false;
    first_line_ = true;
    return lost;
  }

 private:
  template <typename Sink>
  void Keep(std::string_view data, Sink& sink) {
    if (discarding_) return;
    if (data.size() > max_message_bytes_ - partial_.size()) {
      discarding_ = true;
      partial_ = std::string();  // gives the memory back
      sink.OnTooLong();
      return;
    }
    partial_.append(data);
  }

  template <typename Sink>
  void EmitPartial(Sink& sink) {
    if (!discarding_) Emit(partial_, sink);
    first_line_ = discarding_ = false;
    if (partial_.capacity() > kKeptBytes) partial_ = std::string();
    partial_.clear();
  }

  template <typename Sink>
  void Emit(std::string_view line, Sink& sink) {
    const bool greeting = first_line_ && line == "\r";
    first_line_ = false;
    if (line.empty() || greeting) return;
    if (line.size() > max_message_bytes_) return sink.OnTooLong();
    sink.OnMessage(line);
  }

  static constexpr std::size_t kKeptBytes = 64 * 1024;

  std::size_t max_message_bytes_;
  std::string partial_;      // the line that has no end yet
  bool discarding_ = false;  // inside a line that is too long
  bool first_line_ = true;
};

}  // namespace rivulet
