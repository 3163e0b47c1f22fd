// A queue as plainly as can be, written from the words of simplequeue/queue.h: a map of messages,
// each with a state and a number that says where it stands. Nothing here is fast.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "simplequeue/queue.h"

namespace rivulet {

struct QueueModel {
  struct Message {
    std::string body;
    MessageState state = MessageState::kReady;
    std::uint32_t attempts = 0;
    std::uint64_t place = 0;  // among ready ones, or dead ones; kept in flight
    MonoTime put_at{};
    Duration ttl{};
    MonoTime due{};
    std::uint32_t lease = 0;
    bool expired(MonoTime now) const { return ttl > Duration::zero() && put_at + ttl <= now; }
  };
  struct Taken {
    std::uint64_t commit = 0;
    bool overflow = false;
    std::uint64_t id = 0;
    Message message;
  };
  struct Key {
    std::uint64_t id = 0;
    MonoTime until{};
  };

  QueueLimits limits;
  std::map<std::uint64_t, Message> messages;
  std::map<std::uint64_t, std::uint64_t> ready;  // place to id
  std::map<std::uint64_t, std::uint64_t> dead;
  std::deque<Taken> taken;
  std::map<std::string, Key> keys;
  std::uint64_t last_place = 0;
  QueueStats stats;

  void Enter(std::uint64_t id, MessageState state) {
    Message& m = messages.at(id);
    m.state = state;
    m.place = ++last_place;
    if (state == MessageState::kReady) ready[m.place] = id;
    if (state == MessageState::kDead) dead[m.place] = id;
    if (state == MessageState::kDead) ++stats.buried;
    CountHighWater();
  }
  void CountHighWater() {
    stats.depth_high_water = std::max<std::uint64_t>(stats.depth_high_water, ready.size());
  }
  void Erase(std::uint64_t id) {
    const Message& m = messages.at(id);
    if (m.state == MessageState::kReady) ready.erase(m.place);
    if (m.state == MessageState::kDead) dead.erase(m.place);
    messages.erase(id);
  }

  void Put(std::uint64_t id, std::string_view body, MonoTime now, const Queue::PutOptions& o) {
    using Ms = std::chrono::milliseconds;
    Message m;
    m.body = body;
    m.put_at = std::chrono::floor<Ms>(now);
    m.ttl = std::chrono::ceil<Ms>(o.ttl);
    m.due = now + o.delay;
    messages[id] = m;
    if (!o.key.empty()) keys[std::string(o.key)] = {id, m.put_at + limits.dedupe_window};
    ++stats.puts;
    if (o.delay > Duration::zero()) {
      messages[id].state = MessageState::kDeferred;
    } else {
      Enter(id, MessageState::kReady);
    }
  }
  void DropOldKeys(MonoTime now) {
    std::erase_if(keys, [now](const auto& entry) { return entry.second.until <= now; });
  }

  /// The oldest leaves for good; with a log it is kept for a while.
  void Take(std::uint64_t commit, bool overflow, bool logged) {
    const std::uint64_t id = ready.begin()->second;
    const Message m = messages.at(id);
    Erase(id);
    if (logged) taken.push_back({commit, overflow, id, m});
    ++(overflow ? stats.overflow : stats.gets);
  }
  void Committed(std::uint64_t commit) {
    while (!taken.empty() && taken.front().commit <= commit) taken.pop_front();
  }
  void Untake() {
    for (const Taken& t : taken) {
      messages[t.id] = t.message;
      ready[t.message.place] = t.id;
      --(t.overflow ? stats.overflow : stats.gets);
    }
    taken.clear();
    CountHighWater();
  }

  void Lease(std::uint64_t id, std::uint32_t number, MonoTime due) {
    Message& m = messages.at(id);
    ready.erase(m.place);
    m.state = MessageState::kInFlight;
    m.lease = number;
    m.due = due;
    ++m.attempts;
    ++stats.gets;
  }
  Message* Held(Queue::Holding h) {
    const auto found = messages.find(h.id);
    if (found == messages.end() || found->second.state != MessageState::kInFlight) return nullptr;
    return h.number != 0 && found->second.lease == h.number ? &found->second : nullptr;
  }
  /// Without a finish. Those that are to be ready again, or deferred, wait in `back`.
  void EndLease(std::uint64_t id, MonoTime now, std::vector<std::uint64_t>* back) {
    Message& m = messages.at(id);
    if (m.expired(now)) {
      ++stats.expired;
      Erase(id);
    } else if (limits.max_attempts > 0 && m.attempts >= limits.max_attempts) {
      Enter(id, MessageState::kDead);
    } else {
      m.lease = 0;
      back->push_back(id);
    }
  }
  void GoBack(const std::vector<std::uint64_t>& ids, MonoTime now, Duration delay) {
    for (const std::uint64_t id : ids) {
      if (delay > Duration::zero()) {
        messages.at(id).state = MessageState::kDeferred;
        messages.at(id).due = now + delay;
      } else {
        Enter(id, MessageState::kReady);
      }
    }
  }
  void Kick(std::uint64_t max) {
    for (; max > 0 && !dead.empty(); --max) {
      const std::uint64_t id = dead.begin()->second;
      dead.erase(dead.begin());
      messages.at(id).attempts = 0;
      Enter(id, MessageState::kReady);
      ++stats.kicked;
    }
  }
  void Advance(MonoTime now) {
    std::vector<std::pair<MonoTime, std::uint64_t>> due;
    std::vector<std::uint64_t> old;
    for (const auto& [id, m] : messages) {
      const bool in_flight = m.state == MessageState::kInFlight;
      const bool waits = in_flight || m.state == MessageState::kDeferred;
      if (waits && m.due <= now) {
        due.emplace_back(m.due, id);
      } else if (!in_flight && m.expired(now)) {
        old.push_back(id);
      }
    }
    std::sort(due.begin(), due.end());
    std::vector<std::uint64_t> back;
    for (const auto& [when, id] : due) {
      if (messages.at(id).state == MessageState::kInFlight) {
        ++stats.timeouts;
        EndLease(id, now, &back);
      } else if (messages.at(id).expired(now)) {
        old.push_back(id);
      } else {
        back.push_back(id);
      }
    }
    for (const std::uint64_t id : old) Erase(id);
    stats.expired += old.size();
    GoBack(back, now, {});
  }
  std::uint64_t Empty(MessageState state) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, m] : messages) {
      if (m.state == state) ids.push_back(id);
    }
    for (const std::uint64_t id : ids) Erase(id);
    return ids.size();
  }
  /// What a restart leaves.
  void Restart(MonoTime now) {
    taken.clear();
    DropOldKeys(now);
    for (auto& [id, m] : messages) {
      if (m.state != MessageState::kInFlight) continue;
      if (limits.max_attempts > 0 && m.attempts >= limits.max_attempts) {
        Enter(id, MessageState::kDead);
      } else {
        m.state = MessageState::kReady;
        ready[m.place] = id;
      }
    }
    stats = {};
    CountHighWater();
  }

  std::uint64_t Count(MessageState state) const {
    return static_cast<std::uint64_t>(
        std::count_if(messages.begin(), messages.end(),
                      [state](const auto& entry) { return entry.second.state == state; }));
  }
};

}  // namespace rivulet
