// A QueueLog in memory: keeps what it is told, and tells it to another queue.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "simplequeue/queue.h"

namespace rivulet {

class RecordingLog final : public QueueLog {
 public:
  void OnPut(const Queue&, const MessageInfo& message, std::string_view key) override {
    told.emplace_back("put " + std::to_string(message.id));
    AddPut(message, key);
  }
  void OnLease(const Queue&, std::span<const IdRun> ids) override {
    told.push_back("lease" + Text(ids));
    records_.emplace_back([ids = Copy(ids)](Queue& queue) {
      for (const IdRun& run : ids) queue.RestoreLease(run);
    });
  }
  std::uint64_t OnForget(const Queue&, std::span<const IdRun> ids) override {
    told.push_back("forget" + Text(ids));
    records_.emplace_back([ids = Copy(ids)](Queue& queue) {
      for (const IdRun& run : ids) queue.RestoreForget(run);
    });
    return commit;
  }
  void OnReturn(const Queue&, std::uint64_t position, bool kicked,
                std::span<const IdRun> ids) override {
    told.push_back((kicked ? "kick" : "return") + Text(ids));
    records_.emplace_back([position, kicked, ids = Copy(ids)](Queue& queue) {
      queue.RestoreReturn(position, kicked, ids);
    });
  }
  void OnDefer(const Queue&, MonoTime due, std::span<const IdRun> ids) override {
    told.push_back("defer" + Text(ids));
    records_.emplace_back([due, ids = Copy(ids)](Queue& queue) {
      for (const IdRun& run : ids) queue.RestoreDefer(due, run);
    });
  }
  void OnBury(const Queue&, std::uint64_t position, std::span<const IdRun> ids) override {
    told.push_back("bury" + Text(ids));
    records_.emplace_back(
        [position, ids = Copy(ids)](Queue& queue) { queue.RestoreBury(position, ids); });
  }
  void OnPause(const Queue& queue) override {
    told.emplace_back(queue.paused() ? "pause" : "unpause");
    records_.emplace_back([paused = queue.paused()](Queue& other) { other.RestorePaused(paused); });
  }

  /// Forgets all, and begins anew with what makes the queue as it is. The messages come from the
  /// last to the first: a log that is cleaned gives them in no order.
  void StartAnew(const Queue& queue) {
    records_.clear();
    told.clear();
    records_.emplace_back([id = queue.next_id(), paused = queue.paused()](Queue& other) {
      other.RestoreNextId(id);
      other.RestorePaused(paused);
    });
    queue.ForEachKey(0, UINT64_MAX, [this](const Queue::KeyInfo& key) {
      records_.emplace_back([name = std::string(key.key), id = key.id,
                             until = key.until](Queue& q) { q.RestoreKey(name, id, until); });
    });
    MessageInfo message;
    for (std::uint64_t id = queue.next_id(); id-- > 0;) {
      if (queue.Find(id, &message)) AddPut(message, {});
    }
  }

  void Replay(Queue* queue, MonoTime now) const {
    for (const auto& record : records_) record(*queue);
    queue->EndRestore(now);
  }
  std::size_t size() const { return records_.size(); }

  std::uint64_t commit = 1;       // what OnForget() answers
  std::vector<std::string> told;  // "return 4 7-9"

 private:
  static std::vector<IdRun> Copy(std::span<const IdRun> ids) { return {ids.begin(), ids.end()}; }
  static std::string Text(std::span<const IdRun> ids) {
    std::string out;
    for (const IdRun& run : ids) {
      out += " " + std::to_string(run.first_id);
      if (run.count > 1) out += "-" + std::to_string(run.first_id + run.count - 1);
    }
    return out;
  }
  void AddPut(const MessageInfo& message, std::string_view key) {
    records_.emplace_back(
        [message, body = std::string(message.body), key = std::string(key)](Queue& queue) {
          MessageInfo copy = message;
          copy.body = body;
          queue.RestoreMessage(copy, key);
        });
  }

  std::vector<std::function<void(Queue&)>> records_;
};

}  // namespace rivulet
