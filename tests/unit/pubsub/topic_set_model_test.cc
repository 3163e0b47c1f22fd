// Random topics, selections, filters and framings; subscribers that join, read a part, stall, are
// kicked, skip, end at `until` and leave. What each received is taken apart by readers of their own
// and compared with a list of what it should have been sent, kept beside.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pubsub/topic_set.h"
#include "tests/unit/pubsub/feed_listener.h"
#include "tests/unit/pubsub/framing_decoders.h"
#include "tests/unit/scaled.h"

namespace rivulet {
namespace {

constexpr const char* kTopics[] = {"a", "a.x", "a.y", "b", "b.x", "c"};
constexpr const char* kSelections[] = {"a",    "b",   "c",     "a,b",   "*",
                                       "a.*",  "a*",  "b*,a",  "c,a.x", "b.*,a.*,c",
                                       "b.x*", "a,a", "*,a.x", "d",     "a.x,a.y"};
constexpr const char* kFilters[] = {"", "", "x", "1"};
constexpr std::uint64_t kMaxPendingBytes = 3000;

// As the rule says it, item by item.
bool Matches(const std::string& selection, const std::string& topic) {
  for (std::size_t at = 0; at <= selection.size();) {
    const std::size_t end = std::min(selection.find(',', at), selection.size());
    const std::string item = selection.substr(at, end - at);
    if (item == topic) return true;
    if (item.back() == '*' && topic.rfind(item.substr(0, item.size() - 1), 0) == 0) return true;
    at = end + 1;
  }
  return false;
}

struct Reader final : SubscriptionListener {
  Reader(Feed* feed, Framing kind, std::uint64_t end, bool skips)
      : framing(kind), until(end), skips_when_slow(skips), subscription(feed, kind, this, end) {}

  void OnMessages() override { waiting = false; }
  void OnTooSlow() override {
    REQUIRE((ended || subscription.pending_bytes() > kMaxPendingBytes));
    Remainder rest;
    if (skips_when_slow) {
      const std::uint64_t left_out = subscription.Skip(promised, &rest);
      const std::size_t kept = read_messages + rest.messages();
      REQUIRE(kept + left_out == expected.size());
      expected.resize(kept);
      left_out_messages += left_out;
    } else {
      rest = subscription.Cut(promised);
      expected.resize(read_messages + rest.messages());
      kicked = true;
    }
    promised = 0;
    got += rest.bytes();
    read_messages += rest.messages();
  }

  Framing framing;
  std::uint64_t until;
  bool skips_when_slow;
  std::string selection;
  std::string filter;
  bool waiting = false;
  bool ended = false;  // by `until`
  bool kicked = false;
  std::size_t promised = 0;
  std::uint64_t left_out_messages = 0;
  std::string got;
  std::uint64_t read_messages = 0;
  std::vector<decoders::Decoded> expected;
  Subscription subscription;
};

class Model {
 public:
  explicit Model(std::uint32_t seed) : random_(seed) {}

  void Step() {
    const std::uint32_t what = Random(100);
    if (readers_.empty() || (what < 4 && readers_.size() < 12)) {
      Join();
    } else if (what < 40) {
      Publish();
    } else if (what < 50) {
      Deliver();
    } else if (what == 50) {
      Leave(Random(readers_.size()));
    } else if (what < 54) {
      GoLive(*readers_[Random(readers_.size())]);
    } else {
      // The first of them is slow.
      Read(*readers_[what == 99 ? 0 : Random(readers_.size())], 1 + Random(700));
    }
  }

  void CatchUp() {
    Deliver();
    for (std::size_t i = readers_.size(); i-- > 0;) {
      Reader& reader = *readers_[i];
      while (reader.subscription.pending_bytes() > 0) Read(reader, 4096);
      if (reader.ended && reader.subscription.live()) {
        REQUIRE(reader.subscription.at_end());
        ++ends_;
        Leave(i);
      } else {
        REQUIRE_FALSE(reader.subscription.at_end());
      }
    }
    REQUIRE(topics_.pool().live_blocks() == 0);
    std::set<const Feed*> feeds;
    for (const auto& reader : readers_) feeds.insert(reader->subscription.feed());
    REQUIRE(topics_.feeds() == feeds.size());
  }

  void LeaveAll() {
    while (!readers_.empty()) Leave(0);
    REQUIRE(topics_.feeds() == 0);
    REQUIRE(topics_.pool().live_blocks() == 0);
    REQUIRE(topics_.pool().live_bytes() == 0);
  }

  int kicks_ = 0;
  int ends_ = 0;
  std::uint64_t skipped_ = 0;
  std::uint64_t compared_ = 0;

 private:
  std::uint32_t Random(std::size_t below) { return static_cast<std::uint32_t>(random_() % below); }

  std::shared_ptr<Filter> FilterOf(const std::string& wanted) {
    if (wanted.empty()) return nullptr;
    auto filter = filters_[wanted].lock();
    if (!filter) filters_[wanted] = filter = std::make_shared<FakeFilter>(wanted);
    return filter;
  }

  void Join() {
    const std::string selection = kSelections[Random(std::size(kSelections))];
    const std::string filter = kFilters[Random(std::size(kFilters))];
    Feed* const feed = *topics_.FeedOf(*Selection::Parse(selection), FilterOf(filter));
    const std::uint64_t now = feed->selection().single()
                                  ? topics_.Find(feed->selection().text())->end_offset()
                                  : topics_.end_sequence();
    const std::uint64_t until = Random(3) == 0 ? now + 1 + Random(60) : Subscription::kNoEnd;
    auto reader = std::make_unique<Reader>(feed, static_cast<Framing>(Random(kFramingCount)), until,
                                           Random(2) == 0);
    reader->selection = selection;
    reader->filter = filter;
    readers_.push_back(std::move(reader));
    if (Random(3) > 0) GoLive(*readers_.back());
  }

  void GoLive(Reader& reader) {
    if (reader.subscription.live() || reader.kicked) return;
    reader.subscription.GoLive();
    reader.subscription.Wait();
    reader.waiting = true;
  }

  void Publish() {
    const std::string name = kTopics[Random(std::size(kTopics))];
    std::string body;
    for (std::size_t size = Random(100) == 0 ? Random(5000) : Random(40); body.size() < size;) {
      constexpr std::string_view kAlphabet = "abx1 \r\xff\xc3\xa9";
      body += kAlphabet[Random(kAlphabet.size())];
    }
    if (Random(3) == 0) body = "plain text " + body;
    Topic* const topic = *topics_.Get(name);
    const std::uint64_t offset = topic->end_offset();
    const std::uint64_t sequence = topics_.end_sequence();
    topics_.Publish(topic, body, WallTime());
    for (const auto& reader : readers_) Expect(*reader, name, offset, sequence, body);
  }

  static void Expect(Reader& reader, const std::string& topic, std::uint64_t offset,
                     std::uint64_t sequence, const std::string& body) {
    if (!Matches(reader.selection, topic) || reader.kicked) return;
    const bool single = reader.subscription.feed()->selection().single();
    const std::uint64_t position = single ? offset : sequence;
    if (!reader.subscription.live()) {
      // The next message would be behind its end: it ends when it goes live.
      if (position + 1 >= reader.until) reader.ended = true;
      return;
    }
    if (position >= reader.until) reader.ended = true;
    if (reader.ended || body.find(reader.filter) == std::string::npos) return;
    decoders::Decoded message;
    if (FramingHasPositions(reader.framing)) {
      message.position =
          single ? std::to_string(offset)
                 : std::to_string(sequence) + " " + topic + " " + std::to_string(offset);
    }
    message.body = reader.framing == Framing::kSse ? decoders::WithLineFeeds(body) : body;
    reader.expected.push_back(std::move(message));
  }

  void Deliver() {
    topics_.Deliver(kMaxPendingBytes);
    for (std::size_t i = readers_.size(); i-- > 0;) {
      Reader& reader = *readers_[i];
      if (reader.kicked) {
        ++kicks_;
        Leave(i);
      } else if (reader.waiting && reader.subscription.live()) {
        REQUIRE(reader.read_messages == reader.expected.size());
      }
    }
  }

  // As a connection does: a gathering is a promise, which is kept before the next one is made.
  void Read(Reader& reader, std::size_t most) {
    iovec pieces[4];
    const std::size_t max_bytes = reader.promised > 0 ? reader.promised : most;
    const std::size_t count = reader.subscription.Gather(pieces, max_bytes);
    std::string bytes;
    for (std::size_t i = 0; i < count; ++i) {
      bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    }
    REQUIRE(bytes.size() <= max_bytes);
    reader.promised = bytes.size();
    if (Random(3) == 0) bytes.resize(Random(bytes.size() + 1));
    reader.read_messages += reader.subscription.Consume(bytes.size());
    reader.promised -= bytes.size();
    reader.got += bytes;
    REQUIRE(reader.subscription.lag_messages() == reader.expected.size() - reader.read_messages);
    if (reader.subscription.live() && reader.subscription.pending_bytes() == 0 && !reader.waiting) {
      reader.subscription.Wait();
      reader.waiting = true;
    }
  }

  void Leave(std::size_t which) {
    std::swap(readers_[which], readers_.back());
    const std::unique_ptr<Reader> reader = std::move(readers_.back());
    readers_.pop_back();
    Compare(*reader);
    skipped_ += reader->left_out_messages;
    Feed* const feed = reader->subscription.feed();
    if (Random(2) == 0) reader->subscription.Leave();
    reader->subscription.Leave();
    topics_.Drop(feed);
  }

  void Compare(const Reader& reader) {
    std::string_view rest = reader.got;
    const int words = reader.subscription.feed()->selection().single() ? 1 : 3;
    REQUIRE(reader.read_messages <= reader.expected.size());
    for (std::uint64_t i = 0; i < reader.read_messages; ++i) {
      const auto message = decoders::TakeMessage(reader.framing, words, &rest);
      if (message != reader.expected[i]) FAIL("another message than was published");
      ++compared_;
    }
    if (reader.kicked) REQUIRE(rest.empty());
  }

  std::mt19937 random_;
  TopicSet topics_{{10, {}}};
  std::map<std::string, std::weak_ptr<Filter>> filters_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

TEST_CASE("topics: every subscriber gets what its selection and filter say, at any step") {
  const char* const given = std::getenv("RIVULET_TEST_SEED");
  const std::uint32_t seed = given != nullptr
                                 ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10))
                                 : std::random_device()();
  MESSAGE("seed: " << seed);
  Model model(seed);
  for (int i = 0; i < LongerIfAsked(30'000); ++i) {
    model.Step();
    if (i % 500 == 0) model.CatchUp();
  }
  model.CatchUp();
  model.LeaveAll();
  CHECK(model.kicks_ > 0);
  CHECK(model.ends_ > 0);
  CHECK(model.skipped_ > 0);
  CHECK(model.compared_ > 10'000);
}

}  // namespace
}  // namespace rivulet
