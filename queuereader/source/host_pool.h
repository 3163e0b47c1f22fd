// Which of several queues is asked next: each is for the others as fail-over.
//
// One is read as long as it has messages, then the next; one that failed is left alone for a while,
// unless all did. A round asks each at most once. Pure: time is an argument. O(hosts) a call.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace rivulet {

class HostPool {
 public:
  /// `hosts` of at least one.
  HostPool(std::size_t hosts, Duration failed_pause)
      : left_alone_until_(hosts), failed_pause_(failed_pause) {}

  /// Nobody was asked yet.
  void StartRound() {
    asked_ = 0;
    any_answered_ = false;
  }
  /// Who is to be asked now; nothing when the round is over.
  std::optional<std::size_t> Next(MonoTime now) {
    const bool skips = AnyWelcome(now);
    for (; asked_ < size(); Turn()) {
      ++asked_;
      if (!skips || IsWelcome(current_, now)) return current_;
    }
    return std::nullopt;
  }
  /// The next in turn, apart from rounds: for a question that one of them is to have.
  std::size_t NextInTurn(MonoTime now) {
    const bool skips = AnyWelcome(now);
    do {
      turn_ = (turn_ + 1) % size();
    } while (skips && !IsWelcome(turn_, now));
    return turn_;
  }

  /// It had messages, and is asked first again.
  void OnMessages(std::size_t host) {
    left_alone_until_[host] = {};
    current_ = host;
    any_answered_ = true;
  }
  void OnEmpty(std::size_t host) {
    OnMessages(host);
    Turn();
  }
  void OnFailed(std::size_t host, MonoTime now) {
    left_alone_until_[host] = now + failed_pause_;
    current_ = host;
    Turn();
  }
  /// Since StartRound().
  bool any_answered() const { return any_answered_; }
  std::size_t size() const { return left_alone_until_.size(); }

 private:
  bool IsWelcome(std::size_t host, MonoTime now) const { return left_alone_until_[host] <= now; }
  bool AnyWelcome(MonoTime now) const {
    for (std::size_t host = 0; host < size(); ++host) {
      if (IsWelcome(host, now)) return true;
    }
    return false;
  }
  void Turn() { current_ = (current_ + 1) % size(); }

  std::vector<MonoTime> left_alone_until_;
  Duration failed_pause_;
  std::size_t current_ = 0;  // whom a round asks next
  std::size_t turn_ = 0;     // who was the last one in turn
  std::size_t asked_ = 0;    // of this round, with those that were left alone
  bool any_answered_ = false;
};

}  // namespace rivulet
