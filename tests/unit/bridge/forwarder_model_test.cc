// The forwarder against a plain model: a table of what became of each message for each reader, kept
// by the test from what it is given and what it answers.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "bridge/forwarder.h"
#include "bridge/message_log.h"

namespace rivulet {
namespace {

using std::chrono::milliseconds;

// One that sometimes cannot be read, and lets go of its oldest messages when the test says so.
struct UnsteadyBacklog : MessageLog {
  UnsteadyBacklog() : MessageLog(UINT64_MAX) {}
  MessageBatch Slice(std::uint64_t first, std::uint64_t max_messages) override {
    REQUIRE(first >= start());
    REQUIRE(first < end());
    if (unreadable) return {};
    return MessageLog::Slice(first, max_messages);
  }
  bool unreadable = false;
};

enum class State : std::uint8_t { kWaiting, kInFlight, kTaken, kRefused, kDropped };

// A reader is a destination in fan-out, and all of them together in round robin.
struct Model {
  explicit Model(const ForwarderConfig& config)
      : readers(config.round_robin ? 1 : config.destinations.size()),
        states(readers),
        last_taken(config.destinations.size(), -1) {}

  std::size_t ReaderOf(std::size_t destination) const { return readers == 1 ? 0 : destination; }
  void Append() {
    for (auto& of_reader : states) of_reader.push_back(State::kWaiting);
    fates.push_back(State::kTaken);
  }
  void Set(std::size_t reader, std::uint64_t message, State state) {
    states[reader][message] = state;
    State& fate = fates[message];
    const bool lost = state == State::kRefused || state == State::kDropped;
    if (lost && fate == State::kTaken) fate = state;  // counts once, as what came first
  }
  // It waits again, or is gone if the backlog has let go of it.
  void Back(std::size_t reader, std::uint64_t message) {
    Set(reader, message, message < start ? State::kDropped : State::kWaiting);
  }
  void LetGoBefore(std::uint64_t number) {
    start = number;
    for (std::size_t reader = 0; reader < readers; ++reader) {
      for (std::uint64_t m = 0; m < number; ++m) {
        if (states[reader][m] == State::kWaiting) Set(reader, m, State::kDropped);
      }
    }
  }
  bool Done(std::size_t reader, std::uint64_t message) const {
    const State state = states[reader][message];
    return state != State::kWaiting && state != State::kInFlight;
  }
  std::uint64_t Oldest(std::size_t reader) const {
    std::uint64_t oldest = 0;
    while (oldest < fates.size() && Done(reader, oldest)) ++oldest;
    return oldest;
  }
  std::uint64_t OldestOfAll() const {
    std::uint64_t oldest = fates.size();
    for (std::size_t reader = 0; reader < readers; ++reader) {
      oldest = std::min(oldest, Oldest(reader));
    }
    return oldest;
  }
  // In fan-out a message counts when all before it are done with by all, too.
  ForwarderCounts Counts() const {
    ForwarderCounts counts;
    counts.received = fates.size();
    const std::uint64_t settled = readers == 1 ? fates.size() : OldestOfAll();
    for (std::uint64_t m = 0; m < settled; ++m) {
      if (readers == 1 && !Done(0, m)) continue;
      counts.delivered += fates[m] == State::kTaken ? 1 : 0;
      counts.refused += fates[m] == State::kRefused ? 1 : 0;
      counts.dropped += fates[m] == State::kDropped ? 1 : 0;
    }
    counts.pending = counts.received - counts.delivered - counts.refused - counts.dropped;
    return counts;
  }

  std::size_t readers;
  std::vector<std::vector<State>> states;
  std::vector<State> fates;
  std::vector<std::int64_t> last_taken;  // by destination
  std::uint64_t start = 0;
};

struct Trouble {
  bool failures = false;
  bool drops = false;
};

// A run of random appends and answers, in any order, until nothing is left.
class Run {
 public:
  Run(const ForwarderConfig& config, Trouble trouble, unsigned seed)
      : config_(config),
        trouble_(trouble),
        random_(seed),
        model_(config),
        forwarder_(config, &backlog_),
        in_flight_(config.destinations.size()) {}

  void Go() {
    for (int step = 0; step < 300 || forwarder_.counts().pending > 0; ++step) {
      REQUIRE(step < 20'000);
      clock_.Advance(milliseconds(random_() % 50));
      backlog_.unreadable = trouble_.failures && step % 40 == 7;
      if (step < 250) Append(random_() % 4);
      if (trouble_.drops && step % 30 == 11) LetGo();
      const std::size_t d = random_() % in_flight_.size();
      if (random_() % 2 == 0) Ask(d);
      if (!in_flight_[d].empty()) Answer(d);
      Compare();
    }
    for (const auto& batches : in_flight_) CHECK(batches.empty());
    CHECK(backlog_.held_bytes() == 0);
    CHECK(forwarder_.counts().received > 300);
  }

 private:
  void Append(std::size_t messages) {
    for (std::size_t i = 0; i < messages; ++i) {
      // Some cannot be cut at newlines: those must come alone.
      std::string message = std::to_string(backlog_.end());
      if (random_() % 16 == 0) message += "\n";
      forwarder_.Append(message);
      model_.Append();
    }
  }

  void LetGo() {
    const std::uint64_t held = backlog_.end() - backlog_.start();
    const std::uint64_t before = backlog_.start() + random_() % (held + 1);
    backlog_.DropBefore(before);
    model_.LetGoBefore(std::max(model_.start, before));
  }

  void Ask(std::size_t d) {
    while (auto batch = forwarder_.Next(d, clock_.Now())) {
      REQUIRE(batch->count > 0);
      REQUIRE(batch->count <= config_.destinations[d].batch);
      const std::size_t reader = model_.ReaderOf(d);
      std::string lines;
      for (std::uint64_t m = batch->first; m < batch->end(); ++m) {
        REQUIRE(model_.states[reader][m] == State::kWaiting);  // never in two hands
        model_.Set(reader, m, State::kInFlight);
        lines += std::to_string(m) + "\n";
      }
      if (!batch->cut_at_newlines) lines += "\n";
      REQUIRE((batch->count == 1 || batch->cut_at_newlines));
      REQUIRE(batch->lines == lines);
      if (!trouble_.failures) {  // then nothing comes twice, and all in order
        REQUIRE(static_cast<std::int64_t>(batch->first) > model_.last_taken[d]);
        model_.last_taken[d] = static_cast<std::int64_t>(batch->end()) - 1;
      }
      in_flight_[d].push_back(std::move(*batch));
    }
    REQUIRE(in_flight_[d].size() <= config_.destinations[d].max_in_flight);
  }

  void Answer(std::size_t d) {
    const auto at = in_flight_[d].begin() + static_cast<long>(random_() % in_flight_[d].size());
    const MessageBatch batch = *at;
    in_flight_[d].erase(at);
    const std::size_t reader = model_.ReaderOf(d);
    const auto all = [&](auto what) {
      for (std::uint64_t m = batch.first; m < batch.end(); ++m) what(m);
    };
    const auto back = [&](std::uint64_t m) { model_.Back(reader, m); };
    const auto dice = trouble_.failures ? random_() % 8 : 7;
    if (dice == 0) {
      forwarder_.Failed(d, batch, clock_.Now())
          ? all([&](auto m) { model_.Set(reader, m, State::kRefused); })
          : all(back);
    } else if (dice == 1) {
      forwarder_.Postponed(d, batch, clock_.Now());
      all(back);
    } else if (dice <= 3) {
      const bool split = dice == 2;
      const bool done = forwarder_.Refused(d, batch, split);
      REQUIRE(done == (!split || batch.count == 1));
      done ? all([&](auto m) { model_.Set(reader, m, State::kRefused); }) : all(back);
    } else {
      if (config_.destinations[d].max_in_flight == 1 && !config_.round_robin) {
        REQUIRE(batch.first >= taken_until_[d]);  // in order, whatever failed
        taken_until_[d] = batch.end();
      }
      forwarder_.Delivered(d, batch);
      all([&](auto m) { model_.Set(reader, m, State::kTaken); });
    }
  }

  void Compare() {
    // The forwarder learns what the backlog let go of when it is asked for something.
    for (std::size_t d = 0; d < in_flight_.size(); ++d) Ask(d);
    const auto counts = forwarder_.counts();
    const auto expected = model_.Counts();
    REQUIRE(counts.received == expected.received);
    REQUIRE(counts.delivered == expected.delivered);
    REQUIRE(counts.refused == expected.refused);
    REQUIRE(counts.dropped == expected.dropped);
    REQUIRE(counts.pending == expected.pending);
    for (std::size_t d = 0; d < in_flight_.size(); ++d) {
      REQUIRE(forwarder_.oldest(d) == model_.Oldest(model_.ReaderOf(d)));
    }
    // All that is done with is given back, and nothing else but what was let go of.
    REQUIRE(backlog_.start() == std::max(model_.start, model_.OldestOfAll()));
  }

  const ForwarderConfig& config_;
  Trouble trouble_;
  std::mt19937 random_;
  FakeClock clock_;
  Model model_;
  UnsteadyBacklog backlog_;
  Forwarder forwarder_;
  std::vector<std::vector<MessageBatch>> in_flight_;
  std::uint64_t taken_until_[3] = {};
};

TEST_CASE("forwarder: does what a plain model says, whatever happens") {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    ForwarderConfig config;
    config.round_robin = seed % 2 == 0;
    config.retry_max = seed % 3 == 0 ? 1 : UINT64_MAX;
    config.seed = seed;
    const std::size_t destinations = 1 + random() % 3;
    for (std::size_t i = 0; i < destinations; ++i) {
      WindowConfig window;
      window.batch = 1 + random() % 7;
      window.max_in_flight = 1 + random() % 4;
      window.batch_delay = milliseconds(random() % 2 * 30);
      config.destinations.push_back(window);
    }
    Run(config, {seed % 4 != 0, seed % 5 < 2}, seed).Go();
  }
}

}  // namespace
}  // namespace rivulet
