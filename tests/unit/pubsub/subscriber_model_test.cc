// Subscribers of every kind, at random: what each one received, read back from its stream, must be
// what a plain list of all that was published says; what is missing must have been told.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/pubsub/subscriber_support.h"
#include "tests/unit/scaled.h"

namespace rivulet {
namespace {

using test::Event;
using test::PlainMessage;
using test::PlainTopics;
using test::Socket;
using Start = ReplayStart::Kind;

const int kSeeds = LongerIfAsked(100);

class World {
 public:
  explicit World(unsigned seed) : random_(seed), in_memory_(Chance(40)) {
    CAPTURE(seed);
    const std::size_t steps = 20 + Below(150);
    for (std::size_t i = Below(40); i > 0; --i) Publish();
    RevealAll();
    for (std::size_t i = 0; i < steps; ++i) Step();
    for (auto& listener : listeners_) Finish(*listener);
  }

 private:
  struct Listener {
    std::string selection;
    bool filtered = false;
    SubscriberConfig config;
    ReplayStart start;
    std::uint64_t end_at_start = 0;
    std::map<std::string, std::uint64_t> kept_at_start;  // first offsets
    bool drained_in_the_past = false;
    std::unique_ptr<Socket> socket;

    bool single() const { return selection == "t1"; }
    bool Selects(const PlainMessage& m) const {
      return selection == "t*" ? m.topic.front() == 't'
                               : selection.find(m.topic) != std::string::npos;
    }
    std::uint64_t PositionOf(const PlainMessage& m) const {
      return single() ? m.offset : m.sequence;
    }
  };

  std::size_t Below(std::size_t n) { return n == 0 ? 0 : random_() % n; }
  bool Chance(std::size_t percent) { return Below(100) < percent; }
  TopicSet& set() { return in_memory_ ? memory_ : plain_.set; }

  void Publish() {
    static const char* const names[] = {"t1", "t1", "t1", "t2", "t2", "t3", "other", "tnew"};
    PlainMessage m;
    m.topic = names[Below(8)];
    m.offset = next_offset_[m.topic]++;
    m.sequence = hidden_.size() + all_.size();
    // Each is different, so that it can be told from all others.
    m.body = (Chance(30) ? "x" : "m") + std::to_string(m.sequence) + std::string(Below(300), '.');
    if (Chance(1)) m.body += std::string(60'000 + Below(100'000), '.');
    now_ += std::chrono::milliseconds(Below(3000));
    if (in_memory_) {
      const auto topic = memory_.Get(m.topic);
      REQUIRE(topic.ok());
      memory_.Publish(*topic, m.body, now_);
      all_.push_back(m);
    } else {
      plain_.Publish(m.topic, m.body, false);
      hidden_.push_back(m);
    }
  }
  void RevealAll() {
    if (!in_memory_) plain_.RevealAll();
    all_.insert(all_.end(), hidden_.begin(), hidden_.end());
    hidden_.clear();
  }

  void Subscribe() {
    static const char* const selections[] = {"t1", "t1,t2", "t*"};
    auto made = std::make_unique<Listener>();
    Listener& l = *made;
    l.selection = selections[Below(3)];
    l.filtered = Chance(30);
    l.config.framing = static_cast<Framing>(Below(kFramingCount));
    l.config.skips_when_slow = Chance(50);
    const auto parsed = Selection::Parse(l.selection);
    REQUIRE(parsed.ok());
    const auto feed = set().FeedOf(*parsed, l.filtered ? filter_ : nullptr);
    REQUIRE(feed.ok());
    l.end_at_start = l.single() ? EndOffset("t1") : all_.size();
    set().ForEach(
        [&](const Topic& topic) { l.kept_at_start[topic.name()] = topic.first_offset(); });
    l.start.kind = static_cast<Start>(Below(4));
    l.start.position = Below(l.end_at_start + 2);
    l.start.time = now_ - std::chrono::milliseconds(Below(60'000));
    if (Chance(30)) l.config.until = Below(l.end_at_start + 20);
    l.socket = std::make_unique<Socket>(&set(), *feed, l.config, l.start, &buffer_);
    REQUIRE(l.socket->start_status.ok());
    l.socket->room = Below(500);
    CheckStart(l);
    listeners_.push_back(std::move(made));
  }
  std::uint64_t EndOffset(const std::string& topic) const {
    return static_cast<std::uint64_t>(
        std::count_if(all_.begin(), all_.end(), [&](const auto& m) { return m.topic == topic; }));
  }

  // Nothing between what was asked for and the first position, unless that was told.
  void CheckStart(const Listener& l) const {
    const std::uint64_t first = l.socket->source->first_position();
    const auto& gap = l.socket->source->first_gap();
    if (l.start.kind == Start::kNow) CHECK(first == l.end_at_start);
    if (l.start.kind != Start::kPosition) {
      CHECK_FALSE(gap.has_value());
      return;
    }
    const bool anew = l.start.position > l.end_at_start;
    if (gap.has_value()) {
      CHECK(gap->next == first);
      if (anew) CHECK_FALSE(gap->missed.has_value());
      if (l.single() && !anew) {
        CHECK(gap->missed == std::min(first, l.config.until) - l.start.position);
      }
      return;
    }
    CHECK_FALSE(anew);
    for (const PlainMessage& m : all_) {
      const std::uint64_t at = l.PositionOf(m);
      if (l.Selects(m) && at >= l.start.position && at < l.config.until) CHECK(at >= first);
    }
  }

  void Step() {
    switch (Below(8)) {
      case 0:
        if (listeners_.size() < 6) Subscribe();
        break;
      case 1:
      case 2:
        for (std::size_t i = Below(10); i > 0; --i) Publish();
        break;
      case 3:
        RevealAll();
        break;
      case 4:
        RevealAll();
        set().Deliver(Chance(50) ? 2000 : 1'000'000);
        break;
      case 5:
        LetGo();
        break;
      default:
        if (listeners_.empty()) break;
        Socket& socket = *listeners_[Below(listeners_.size())]->socket;
        socket.room = Chance(20) ? 100'000 : Below(2000);
        socket.Wake();
    }
  }
  void LetGo() {
    if (in_memory_) return memory_.Trim(now_);
    for (const char* topic : {"t1", "t2", "t3"}) {
      if (next_offset_[topic] == 0 || Chance(60)) continue;
      test::PlainPast& past = plain_.past(topic);
      // What nobody has seen yet stays.
      past.LetGo(std::min(past.first_offset() + Below(20), plain_.set.Find(topic)->end_offset()));
    }
  }

  void Finish(Listener& l) {
    RevealAll();
    Socket& socket = *l.socket;
    if (Chance(30)) {
      l.drained_in_the_past = socket.source->replaying();
      socket.source->Drain();
      socket.TakeAll();
      CHECK(socket.ended);
    }
    for (int i = 0; i < 3; ++i) {
      socket.TakeAll();
      set().Deliver(1'000'000'000);
    }
    CheckStream(l);
  }

  void CheckStream(const Listener& l) {
    const Socket& socket = *l.socket;
    CAPTURE(l.selection);
    CAPTURE(static_cast<int>(l.config.framing));
    const std::vector<Event> events = socket.Read();
    std::vector<std::size_t> ends = {FramingPreamble(l.config.framing).size()};
    for (const Event& event : events) ends.push_back(event.end);
    for (const std::size_t end : socket.ends) {
      if (end <= socket.got.size()) CHECK(std::binary_search(ends.begin(), ends.end(), end));
    }
    std::vector<const PlainMessage*> expected;
    for (const PlainMessage& m : all_) {
      const std::uint64_t at = l.PositionOf(m);
      const auto kept = l.kept_at_start.find(m.topic);
      const bool was_gone = kept != l.kept_at_start.end() && m.offset < kept->second;
      if (l.Selects(m) && !was_gone && at >= socket.source->first_position() &&
          at < l.config.until && (!l.filtered || m.body.front() != 'x')) {
        expected.push_back(&m);
      }
    }
    Follow(l, events, expected);
  }

  void Follow(const Listener& l, const std::vector<Event>& events,
              const std::vector<const PlainMessage*>& expected) {
    const Socket& socket = *l.socket;
    const bool browser = l.config.framing == Framing::kSse || IsWebSocket(l.config.framing);
    bool first_gap_due = browser && socket.source->first_gap().has_value();
    std::size_t at = 0;
    std::uint64_t received = 0;
    std::uint64_t left_out = 0;
    std::uint64_t told = 0;
    bool over = false;
    for (const Event& event : events) {
      CHECK_FALSE(over);
      switch (event.kind) {
        case Event::Kind::kMessage: {
          const std::size_t before = at;
          while (at < expected.size() && expected[at]->body != event.body) ++at;
          REQUIRE(at < expected.size());
          if (at > before) CHECK(told > left_out);
          left_out += at - before;
          if (l.single() && !l.filtered) CHECK(told == left_out);
          CheckPosition(l, *expected[at++], event);
          ++received;
          break;
        }
        case Event::Kind::kGap:
          if (!std::exchange(first_gap_due, false)) {
            told += test::ReadGap(event.body).missed.value_or(0);
          }
          break;
        case Event::Kind::kKicked:
          CHECK(socket.kicked_for.has_value());
          over = true;
          break;
        case Event::Kind::kEnd:
          over = true;
          break;
        case Event::Kind::kHeartbeat:
          FAIL("nobody asked for heartbeats");
      }
    }
    CHECK(socket.sent == received);
    CHECK_FALSE(first_gap_due);
    CHECK(socket.skipped == told);
    CHECK(socket.kicked_for.has_value() <= !l.config.skips_when_slow);
    if (socket.kicked_for.has_value() || l.drained_in_the_past) return;
    left_out += expected.size() - at;
    if (left_out > 0) CHECK(told > 0);
    // Of several topics nobody knows which of the lost ones came before `until`.
    const bool exact = l.single() || l.config.until == Subscription::kNoEnd;
    if (!l.filtered) CHECK((exact ? told == left_out : told >= left_out));
    const std::uint64_t end = l.single() ? EndOffset("t1") : all_.size();
    if (end >= l.config.until) CHECK((socket.ended || !l.single()));
  }

  static void CheckPosition(const Listener& l, const PlainMessage& m, const Event& event) {
    if (!FramingHasPositions(l.config.framing)) return;
    std::string position = std::to_string(m.offset);
    if (!l.single()) position = std::to_string(m.sequence) + " " + m.topic + " " + position;
    CHECK(event.position == position);
  }

  std::mt19937 random_;
  bool in_memory_;
  PlainTopics plain_;
  TopicSet memory_{
      {.max_topics = 100, .retention = {.bytes = 4000, .time = std::chrono::seconds(40)}}};
  WallTime now_{std::chrono::seconds(1'700'000'000)};
  std::map<std::string, std::uint64_t> next_offset_;
  std::vector<PlainMessage> all_;
  std::vector<PlainMessage> hidden_;
  std::shared_ptr<Filter> filter_ = std::make_shared<test::NoX>();
  ReplayBuffer buffer_;
  std::vector<std::unique_ptr<Listener>> listeners_;
};

TEST_CASE("subscriber: from the past to live, none is missed untold and none repeated") {
  for (int seed = 0; seed < kSeeds; ++seed) World{static_cast<unsigned>(seed)};
}

}  // namespace
}  // namespace rivulet
