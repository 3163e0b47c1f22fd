// Requests that wait for a message: for each queue a line, served in the order they came.
//
// Nothing is answered from inside Add() or Wake(): lines that were woken are served once, after the
// events that are ready now, so that a hundred puts of one turn serve them together.
//
// Thread: the loop's. Cost: Add O(log polls), Wake O(log lines) and nothing without a line.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "http/reply.h"
#include "simplequeue/taking.h"

namespace rivulet {

struct LongPoll {
  PendingReply reply;
  Taking taking;
};

class LongPolls {
 public:
  /// Answers the poll at the head of a queue's line, or sees that its client has gone: true. False
  /// when there is nothing for it, nor for those behind it.
  using Serve = std::function<bool(const std::string& queue, LongPoll& poll)>;
  /// Answers a poll whose time is up.
  using End = std::function<void(LongPoll& poll)>;

  /// `loop` and `clock` must outlive it.
  LongPolls(EventLoop& loop, const Clock& clock, Serve serve, End end);
  ~LongPolls();
  LongPolls(const LongPolls&) = delete;
  LongPolls& operator=(const LongPolls&) = delete;

  /// Joins the line of the queue, until then. After EndAll() it is ended in this turn.
  void Add(std::string_view queue, LongPoll poll, MonoTime until);
  bool any() const { return !lines_.empty(); }
  bool HasLine(std::string_view queue) const {
    return !lines_.empty() && lines_.find(queue) != lines_.end();
  }
  /// There may be messages in this queue, or in all.
  void Wake(std::string_view queue) {
    if (!lines_.empty()) WakeLine(queue);
  }
  void WakeAll();
  /// The daemon drains: all are ended, and those that come yet do not wait.
  void EndAll();

  /// Whose clients are there. O(polls).
  std::size_t waiting() const;

 private:
  struct Line;
  struct Entry {
    LongPoll poll;
    Line* line = nullptr;
    std::multimap<MonoTime, std::list<Entry>::iterator>::iterator until;
  };
  struct Line {
    const std::string* queue = nullptr;
    std::list<Entry> entries;
    bool woken = false;
  };
  using Place = std::list<Entry>::iterator;

  void WakeLine(std::string_view queue);
  void WakeLine(Line& line);
  void ServeWoken();
  void EndDue();
  void Arm();
  void Remove(Place place);
  void RemoveGone();

  const Clock& clock_;
  Serve serve_;
  End end_;
  std::map<std::string, Line, std::less<>> lines_;
  std::multimap<MonoTime, Place> until_;
  std::vector<Line*> woken_;
  Deferred serve_woken_;
  Timer timer_;
  MonoTime armed_for_ = MonoTime::max();
  std::size_t remove_gone_at_;
  bool ended_ = false;
};

}  // namespace rivulet
