// Random appends, reads, marks, restarts and crashes against a plain list of messages.
//
// RIVULET_TEST_STEPS: steps a world (150). RIVULET_TEST_SEED: of the first world (1).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/bridge/spool_support.h"

using namespace rivulet;
using namespace rivulet::spool_test;

namespace {

constexpr char kUrl[] = "http://source/sub";

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// The newest first: then each segment is copied before what lies before it, and what is missing
/// is missing at the end, as after a crash.
void CopyAsAfterCrash(const std::string& from, const std::string& to) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (SegmentNumber(entry.path().filename().string())) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::ranges::sort(names, std::greater());
  for (const std::string& name : names) {
    std::error_code gone;
    std::filesystem::copy_file(from + "/" + name, to + "/" + name, gone);
  }
}

/// One spool, and what is to be so. A source whose positions are those of its messages, but for
/// some that were filtered away.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {
    const bool drops = Below(3) == 0;
    f_ = std::make_unique<SpoolFixture>(Below(2) == 0 ? "none" : "always");
    f_->config.max_bytes = (64 + Below(3) * 100) << 10;
    f_->config.segment_bytes = 4096 << Below(4);
    f_->config.memory_bytes = 500 << Below(8);
    f_->config.when_full =
        drops ? SpoolConfig::WhenFull::kDropOldest : SpoolConfig::WhenFull::kWait;
    f_->config.readers = {"a"};
    if (Below(2) == 0) f_->config.readers.push_back("b");
    done_.assign(f_->config.readers.size(), 0);
    f_->Open();
  }

  void Step() {
    switch (Below(16)) {
      case 0:
        return Turn(true);
      case 1:
        if (Below(4) == 0) Restart();
        return;
      case 2:
        if (Below(3) == 0) Crash();
        return;
      case 3:
      case 4:
      case 5:
        return Take();
      case 6:
      case 7:
        return Read();
      case 8:
        return Filtered();
      case 9:
      case 10:
        return Turn();
      default:
        return Append();
    }
  }
  std::uint64_t messages() const { return messages_ever_; }
  int crashes() const { return crashes_; }

 private:
  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }
  DiskSpool& spool() { return *f_->spool; }

  std::string NewMessage() {
    std::uint64_t bytes = Below(60);
    if (Below(10) == 0) bytes = Below(3000);
    if (Below(60) == 0) bytes = Below(20'000);
    if (Below(8) == 0) bytes = 0;
    std::string message = fmt::format("{}", ++messages_ever_).substr(0, bytes);
    while (message.size() < bytes) message += static_cast<char>(Below(50) == 0 ? '\n' : Below(256));
    return message;
  }

  void Append() {
    for (std::uint64_t n = 1 + Below(Below(6) == 0 ? 300 : 12); n > 0 && !spool().full(); --n) {
      messages_.push_back(NewMessage());
      spool().Append(messages_.back());
      ++position_;
      Told();
    }
    CHECK(spool().end() == messages_.size());
  }
  void Filtered() {
    position_ += 1 + Below(5);
    Told();
  }
  void Told() {
    spool().SetSource(kUrl, position_);
    positions_.resize(messages_.size() + 1, {position_, position_});
    positions_.back().second = position_;
  }

  void Turn(bool commit = false) {
    const std::uint64_t start = spool().start();
    const std::uint64_t needed = std::clamp(*std::ranges::min_element(done_), start, spool().end());
    commit ? f_->Commit() : f_->Turn();
    if (spool().start() > needed) dropped_ += spool().start() - needed;
    CHECK(spool().dropped() == dropped_);
    const std::uint64_t slack = 64 << 10;  // of one turn
    CHECK(spool().disk_bytes() <= f_->config.max_bytes + f_->config.max_bytes / 4 + slack);
  }

  void Take() {
    const std::size_t reader = Below(done_.size());
    const std::uint64_t from = std::max(done_[reader], spool().start());
    done_[reader] = from + Below(spool().end() - from + 1);
    spool().SetDone(reader, done_[reader]);
    const std::uint64_t least = *std::ranges::min_element(done_);
    if (least > spool().start() && Below(4) > 0) {
      spool().DropBefore(least);
      CHECK(spool().start() == least);
    }
  }

  void Read() {
    if (spool().start() == spool().end()) return;
    std::uint64_t at = spool().start() + Below(spool().end() - spool().start());
    for (std::uint64_t slices = 1 + Below(4); slices > 0 && at < spool().end(); --slices) {
      const std::uint64_t most = 1 + Below(200);
      const MessageBatch batch = spool().Slice(at, most);
      REQUIRE(batch.first == at);
      REQUIRE(batch.count > 0);
      CHECK(batch.count <= most);
      for (const std::string& message : MessagesOf(batch)) {
        REQUIRE((message == messages_[at]));
        ++at;
      }
    }
  }

  void Restart() {
    REQUIRE(spool().Close().ok());
    CHECK(spool().committed() == messages_.size());
    f_->Open();
    CHECK(spool().end() == messages_.size());
    for (std::size_t i = 0; i < done_.size(); ++i) {
      CHECK(spool().begin_at()[i] == std::max(done_[i], spool().start()));
      done_[i] = spool().begin_at()[i];
    }
    Reopened();
  }

  void Crash() {
    ++crashes_;
    auto next = std::make_unique<SpoolFixture>();
    const std::string path = next->config.path;
    next->config = f_->config;
    next->config.path = path;
    const std::uint64_t committed = spool().committed();
    CopyAsAfterCrash(f_->config.path, path);
    f_ = std::move(next);
    f_->Open();
    CHECK(spool().end() >= committed);
    REQUIRE(spool().end() <= messages_.size());
    messages_.resize(spool().end());
    for (std::size_t i = 0; i < done_.size(); ++i) {
      // What was done may be done once more.
      const std::uint64_t known = std::max(done_[i], spool().start());
      CHECK(spool().begin_at()[i] <= known);
      done_[i] = spool().begin_at()[i];
    }
    Reopened();
  }

  void Reopened() {
    // All that the source is asked for again is what is not there.
    if (!positions_.empty()) {
      positions_.resize(messages_.size() + 1);
      const auto position = spool().source_position(kUrl);
      if (position) {
        CHECK(*position >= positions_.back().first);
        CHECK(*position <= positions_.back().second);
        position_ = *position;
        positions_.back().second = position_;
      } else {
        CHECK(messages_.empty());
        position_ = 0;
        positions_.clear();
      }
    }
    dropped_ = spool().dropped();
    CHECK(spool().start() <= *std::ranges::min_element(done_));
    const auto all = f_->All();
    REQUIRE(all.size() == messages_.size() - spool().start());
    const auto from = messages_.begin() + static_cast<std::ptrdiff_t>(spool().start());
    CHECK(std::equal(all.begin(), all.end(), from));
  }

  std::mt19937_64 random_;
  std::unique_ptr<SpoolFixture> f_;
  std::vector<std::string> messages_;  // by number
  std::uint64_t position_ = 0;
  // For each number of messages the position when there were so many: the first and the last one.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> positions_;
  std::vector<std::uint64_t> done_;
  std::uint64_t dropped_ = 0;
  std::uint64_t messages_ever_ = 0;
  int crashes_ = 0;
};

}  // namespace

TEST_CASE("spool: whatever happens, what was committed is there, and positions agree with it") {
  const std::uint64_t first = FromEnvironment("RIVULET_TEST_SEED", 1);
  const std::uint64_t steps = FromEnvironment("RIVULET_TEST_STEPS", 150);
  std::uint64_t messages = 0;
  int crashes = 0;
  for (std::uint64_t seed = first; seed < first + 12; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (std::uint64_t step = 0; step < steps; ++step) {
      CAPTURE(step);
      world.Step();
    }
    messages += world.messages();
    crashes += world.crashes();
  }
  CHECK(messages > steps * 12);
  CHECK(crashes > 12);
}
