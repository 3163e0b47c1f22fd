// What tests of replays and subscribers share: a plain past and a log that reveals when told, a
// connection whose socket takes as much as it is told, and a reader of every framing, written from
// the formats' descriptions.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pubsub/subscriber.h"
#include "pubsub/topic_log.h"
#include "pubsub/topic_set.h"

namespace rivulet::test {

struct PlainMessage {
  std::string topic;
  std::uint64_t offset = 0;
  std::uint64_t sequence = 0;
  WallTime time{};
  std::string body;
};

/// Keeps everything until it is told to let go.
class PlainPast final : public Past {
 public:
  void Append(const TopicMessage& m) {
    kept_.push_back({std::string(m.topic), m.offset, m.sequence, m.time, std::string(m.body)});
  }
  void LetGo(std::uint64_t first_offset) {
    while (!kept_.empty() && kept_.front().offset < first_offset) {
      gone_sequence_ = kept_.front().sequence + 1;
      first_ = kept_.front().offset + 1;
      kept_.pop_front();
    }
  }
  std::uint64_t first_offset() const override { return first_; }
  std::uint64_t end_offset() const override { return first_ + kept_.size(); }
  std::uint64_t retained_bytes() const override { return BytesFrom(0); }
  std::uint64_t gone_sequence() const override { return gone_sequence_; }
  Result<PastPlace> At(std::uint64_t offset) override {
    return PastPlace{std::clamp(offset, first_, end_offset()), {}};
  }
  Result<std::uint64_t> OffsetAtTime(WallTime time) override {
    return First([time](const PlainMessage& m) { return m.time >= time; });
  }
  Result<std::uint64_t> OffsetAtSequence(std::uint64_t sequence) override {
    return First([sequence](const PlainMessage& m) { return m.sequence >= sequence; });
  }
  Result<std::optional<TopicMessage>> Next(PastPlace* place) override {
    if (failing) return Status(StatusCode::kIoError, "read of segment 7: Input/output error");
    ++reads;
    const std::uint64_t offset = std::max(place->offset, first_);
    if (offset >= end_offset()) return std::optional<TopicMessage>();
    const PlainMessage& m = kept_[static_cast<std::size_t>(offset - first_)];
    place->offset = offset + 1;
    view_ = m.body;  // the last one's is no longer valid
    return std::optional<TopicMessage>({{}, m.offset, m.sequence, m.time, view_});
  }
  std::uint64_t BytesFrom(std::uint64_t offset) const override {
    std::uint64_t bytes = 0;
    for (const PlainMessage& m : kept_) bytes += m.offset >= offset ? m.body.size() : 0;
    return bytes;
  }

  bool failing = false;
  std::uint64_t reads = 0;

 private:
  template <typename Test>
  std::uint64_t First(const Test& test) {
    const auto found = std::find_if(kept_.begin(), kept_.end(), test);
    return found == kept_.end() ? end_offset() : found->offset;
  }
  std::deque<PlainMessage> kept_;
  std::uint64_t first_ = 0;
  std::uint64_t gone_sequence_ = 0;
  std::string view_;
};

/// Topics with plain pasts. What is published is in the past at once and revealed when told.
class PlainTopics final : public TopicLog {
 public:
  PlainTopics() {
    set.SetLog(this, [this](Topic* topic) {
      auto past = std::make_unique<PlainPast>();
      pasts_[topic->name()] = past.get();
      return past;
    });
  }
  void Publish(std::string_view topic, std::string_view body, bool reveal = true) {
    const Result<Topic*> found = set.Get(topic);
    REQUIRE(found.ok());
    now += std::chrono::seconds(1);
    set.Publish(*found, body, now);
    if (reveal) RevealAll();
  }
  void RevealAll() {
    for (auto& [topic, m] : hidden_) {
      set.Reveal(topic, {m.topic, m.offset, m.sequence, m.time, m.body});
      all.push_back(m);
    }
    hidden_.clear();
  }
  PlainPast& past(std::string_view topic) { return *pasts_.find(topic)->second; }
  Feed* FeedOf(std::string_view selection, std::shared_ptr<Filter> filter = nullptr) {
    const auto parsed = Selection::Parse(selection);
    REQUIRE(parsed.ok());
    const auto feed = set.FeedOf(*parsed, std::move(filter));
    REQUIRE(feed.ok());
    return *feed;
  }

  void OnPublish(Topic* topic, const TopicMessage& m) override {
    pasts_[topic->name()]->Append(m);
    hidden_.emplace_back(
        topic, PlainMessage{topic->name(), m.offset, m.sequence, m.time, std::string(m.body)});
  }

  TopicSet set{TopicSetConfig{}};
  WallTime now{std::chrono::seconds(1'700'000'000)};
  std::vector<PlainMessage> all;  // revealed

 private:
  std::map<std::string, PlainPast*, std::less<>> pasts_;
  std::vector<std::pair<Topic*, PlainMessage>> hidden_;
};

/// Keeps the messages whose body has no "x" at its beginning.
struct NoX final : Filter {
  bool Keeps(const TopicMessage& m) override { return m.body.empty() || m.body.front() != 'x'; }
  const std::string& text() const override { return name; }
  std::uint64_t evaluated() const override { return 0; }
  std::uint64_t kept() const override { return 0; }
  std::string name = "no x";
};

/// One thing read from a stream.
struct Event {
  enum class Kind { kMessage, kGap, kHeartbeat, kKicked, kEnd };
  Kind kind = Kind::kMessage;
  std::string position;
  std::string body;
  std::size_t end = 0;  // in the stream
};
/// Reads all of `stream`, which must end between two of them.
std::vector<Event> ReadStream(Framing framing, std::string_view stream);
std::vector<std::string> Bodies(const std::vector<Event>& events);
/// Of a gap's body: "missed" (nothing: null) and "next".
Gap ReadGap(std::string_view body);

/// A connection whose socket takes `room` bytes, and which keeps the promises of http/stream.h.
class Socket final : public Stream, public SubscriberObserver {
 public:
  Socket(TopicSet* topics, Feed* feed, SubscriberConfig config, const ReplayStart& start = {},
         ReplayBuffer* buffer = nullptr);

  void Wake() override;
  bool blocked() const override { return room == 0; }
  std::size_t promised_bytes() const override { return promised.size(); }
  void Abort() override { aborted = ended = true; }
  void EndWithin(Duration) override { limited = true; }
  std::string_view peer() const override { return "127.0.0.1:4711"; }

  void OnSent(std::uint64_t messages) override { sent += messages; }
  void OnKicked(const Subscriber&, KickReason reason, std::uint64_t pending_bytes) override {
    kicked_for = reason;
    kicked_at_bytes = pending_bytes;
  }
  void OnSkipped(const Subscriber&, std::uint64_t messages) override { skipped += messages; }
  void OnGone(const Subscriber&) override {}

  /// Takes everything that comes now.
  void TakeAll() {
    room = SIZE_MAX / 2;
    Wake();
  }
  /// Reads what came so far.
  std::vector<Event> Read() const { return ReadStream(source->config().framing, got); }

  std::size_t room = SIZE_MAX / 2;
  std::string promised;  // bytes gathered and not yet taken
  bool ended = false;
  bool aborted = false;
  bool limited = false;
  std::uint64_t sent = 0;
  std::uint64_t skipped = 0;
  std::optional<KickReason> kicked_for;
  std::uint64_t kicked_at_bytes = 0;
  std::string got;
  std::vector<std::size_t> ends;    // in `got`, where something might be put between
  std::vector<std::size_t> splits;  // where nothing might
  FakeClock clock;
  EventLoop loop;
  ReplayBuffer own_buffer;
  Status start_status;
  std::unique_ptr<Subscriber> source;
};

}  // namespace rivulet::test
