// What is in hand, where a signal handler and other threads can read it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/clock.h"
#include "queuereader/runner/message_name.h"

namespace rivulet {

/// What one thread writes and others read without waiting (a sequence lock). Every word is an
/// atomic: stores release and loads acquire, so that who sees a word of a later writing sees its
/// sequence too. On x86-64 all of it is plain moves.
class CrashSlot {
 public:
  static constexpr std::size_t kTaskBytes = 200;
  static constexpr std::size_t kMessageBytes = 1000;

  void Enter(std::string_view task, const MessageName& message, MonoTime since) {
    const std::uint64_t n = sequence_.load(std::memory_order_relaxed);
    sequence_.store(n + 1, std::memory_order_relaxed);
    since_.store(since.time_since_epoch().count(), std::memory_order_release);
    const std::uint64_t task_bytes = task_.Write(task);
    const std::uint64_t origin_bytes = origin_.Write(message.origin);
    number_.store(message.number, std::memory_order_release);
    incarnation_.store(message.incarnation, std::memory_order_release);
    const auto kind = static_cast<std::uint64_t>(message.kind);
    sizes_.store(kActive | kind << 40 | task_bytes << 16 | origin_bytes, std::memory_order_release);
    sequence_.store(n + 2, std::memory_order_release);
  }
  void Leave() {
    const std::uint64_t n = sequence_.load(std::memory_order_relaxed);
    sequence_.store(n + 1, std::memory_order_relaxed);
    sizes_.store(0, std::memory_order_release);
    sequence_.store(n + 2, std::memory_order_release);
  }

  struct Copy {
    char task[kTaskBytes + 1];
    char message[kMessageBytes + 1];
    std::int64_t since;
    bool is_call;
  };
  /// False when nothing is in hand. Safe in a signal handler; there `once` (the writer may be the
  /// one that was interrupted).
  bool Read(Copy* copy, bool once) const {
    for (;;) {
      const std::uint64_t before = sequence_.load(std::memory_order_acquire);
      const std::uint64_t sizes = sizes_.load(std::memory_order_acquire);
      copy->since = since_.load(std::memory_order_acquire);
      task_.Read((sizes >> 16) & 0xffff, copy->task);
      std::size_t origin_bytes = origin_.Read(sizes & 0xffff, copy->message);
      MessageName name;
      name.kind = static_cast<MessageName::Kind>(sizes >> 40);
      copy->is_call = name.kind == MessageName::Kind::kCall;
      if (name.kind != MessageName::Kind::kPlain) {
        origin_bytes = std::min(origin_bytes, kMessageBytes - kMaxNameEndBytes);
      }
      name.number = number_.load(std::memory_order_acquire);
      name.incarnation = incarnation_.load(std::memory_order_acquire);
      copy->message[origin_bytes + WriteNameEnd(name, copy->message + origin_bytes)] = '\0';
      const std::uint64_t after = sequence_.load(std::memory_order_relaxed);
      const bool whole = before == after && before % 2 == 0;
      if (whole) return (sizes & kActive) != 0;
      if (once) return false;
    }
  }

 private:
  static constexpr std::uint64_t kActive = std::uint64_t{1} << 32;

  template <std::size_t kBytes>
  class Text {
   public:
    std::uint64_t Write(std::string_view text) {
      const std::size_t size = std::min(text.size(), kBytes);
      for (std::size_t at = 0, word = 0; at < size; at += 8, ++word) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, text.data() + at, std::min<std::size_t>(8, size - at));
        words_[word].store(bytes, std::memory_order_release);
      }
      return size;
    }
    /// How many bytes it has read, a NUL behind them.
    std::size_t Read(std::size_t size, char* out) const {
      size = std::min(size, kBytes);
      for (std::size_t at = 0, word = 0; at < size; at += 8, ++word) {
        const std::uint64_t bytes = words_[word].load(std::memory_order_acquire);
        std::memcpy(out + at, &bytes, std::min<std::size_t>(8, size - at));
      }
      for (std::size_t i = 0; i < size; ++i) {
        const auto c = static_cast<unsigned char>(out[i]);
        if (c < 0x20 || c == 0x7f) out[i] = '?';
      }
      out[size] = '\0';
      return size;
    }

   private:
    std::array<std::atomic<std::uint64_t>, kBytes / 8> words_{};
  };

  std::atomic<std::uint64_t> sequence_{0};
  std::atomic<std::uint64_t> sizes_{0};
  std::atomic<std::int64_t> since_{0};
  Text<kTaskBytes> task_;
  Text<kMessageBytes> origin_;
  std::atomic<std::uint64_t> number_{0};
  std::atomic<std::uint64_t> incarnation_{0};
};

}  // namespace rivulet
