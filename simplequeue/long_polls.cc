#include "simplequeue/long_polls.h"

#include <algorithm>
#include <utility>

namespace rivulet {

namespace {

constexpr std::size_t kWorthwhile = 64;
// Many polls whose times are close together are ended together.
constexpr Duration kGrain = std::chrono::milliseconds(2);

}  // namespace

LongPolls::LongPolls(EventLoop& loop, const Clock& clock, Serve serve, End end)
    : clock_(clock),
      serve_(std::move(serve)),
      end_(std::move(end)),
      serve_woken_(loop, [this] { ServeWoken(); }),
      timer_(loop,
             [this] {
               armed_for_ = MonoTime::max();
               EndDue();
             }),
      remove_gone_at_(kWorthwhile) {}

LongPolls::~LongPolls() = default;

void LongPolls::Add(std::string_view queue, LongPoll poll, MonoTime until) {
  if (until_.size() >= remove_gone_at_) RemoveGone();
  auto found = lines_.find(queue);
  if (found == lines_.end()) {
    found = lines_.emplace(std::string(queue), Line()).first;
    found->second.queue = &found->first;
  }
  Line& line = found->second;
  line.entries.push_back({std::move(poll), &line, {}});
  const Place place = std::prev(line.entries.end());
  place->until = until_.emplace(ended_ ? MonoTime::min() : until, place);
  if (ended_) WakeLine(line);
  Arm();
}

void LongPolls::WakeLine(std::string_view queue) {
  const auto found = lines_.find(queue);
  if (found != lines_.end()) WakeLine(found->second);
}

void LongPolls::WakeLine(Line& line) {
  if (std::exchange(line.woken, true)) return;
  woken_.push_back(&line);
  serve_woken_.Schedule();
}

void LongPolls::WakeAll() {
  for (auto& [name, line] : lines_) WakeLine(line);
}

void LongPolls::ServeWoken() {
  std::vector<Line*> woken;
  woken.swap(woken_);
  for (Line* line : woken) {
    while (!line->entries.empty() && serve_(*line->queue, line->entries.front().poll)) {
      until_.erase(line->entries.front().until);
      line->entries.pop_front();
    }
    line->woken = false;
    if (line->entries.empty()) lines_.erase(lines_.find(*line->queue));
  }
  EndDue();
}

void LongPolls::EndDue() {
  const MonoTime now = clock_.Now();
  while (!until_.empty() && until_.begin()->first <= now) {
    const Place place = until_.begin()->second;
    LongPoll poll = std::move(place->poll);
    Remove(place);
    end_(poll);
  }
  Arm();
}

void LongPolls::Arm() {
  if (until_.empty() || until_.begin()->first >= armed_for_) return;
  armed_for_ = until_.begin()->first;
  // A time long past (one that has no wait left may have any) does not go into a difference.
  timer_.Start(std::max(armed_for_, clock_.Now() + kGrain) - clock_.Now());
}

void LongPolls::Remove(Place place) {
  Line* const line = place->line;
  until_.erase(place->until);
  line->entries.erase(place);
  // A woken line is looked at once more, and goes then.
  if (line->entries.empty() && !line->woken) lines_.erase(lines_.find(*line->queue));
}

void LongPolls::RemoveGone() {
  for (auto next = until_.begin(); next != until_.end();) {
    const Place place = (next++)->second;
    if (!place->poll.reply.alive()) Remove(place);
  }
  remove_gone_at_ = std::max(kWorthwhile, 2 * until_.size());
}

void LongPolls::EndAll() {
  ended_ = true;
  while (!until_.empty()) {
    const Place place = until_.begin()->second;
    LongPoll poll = std::move(place->poll);
    Remove(place);
    end_(poll);
  }
}

std::size_t LongPolls::waiting() const {
  return static_cast<std::size_t>(std::count_if(until_.begin(), until_.end(), [](const auto& poll) {
    return poll.second->poll.reply.alive();
  }));
}

}  // namespace rivulet
