// Random steps on a log, compared with a model that keeps every byte for ever.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "pubsub/framed_log.h"
#include "tests/unit/scaled.h"

namespace rivulet {
namespace {

class Model {
 public:
  explicit Model(Framing framing, std::uint32_t seed) : framing_(framing), random_(seed) {}

  void Step() {
    const std::uint32_t what = Random(100);
    if (readers_.empty() || (what == 0 && readers_.size() < 8)) {
      Join();
    } else if (what < 30) {
      Publish();
    } else if (what == 30) {
      Leave(Random(readers_.size()));
    } else if (what == 31) {
      Kick();
    } else {
      Read(*readers_[Random(readers_.size())]);
    }
  }

  void CatchUp() {
    for (auto& reader : readers_) {
      while (reader->cursor.pending_bytes() > 0) Read(*reader);
    }
    REQUIRE(pool_.live_blocks() == 0);
  }

 private:
  struct Reader {
    explicit Reader(FramedLog* log, std::size_t start_byte, std::size_t start_message)
        : cursor(log), at(start_byte), message(start_message) {}
    LogCursor cursor;
    std::size_t at;       // in all_
    std::size_t message;  // in ends_: the one in hand, or the next
    std::size_t promised = 0;
  };

  std::uint32_t Random(std::size_t below) { return static_cast<std::uint32_t>(random_() % below); }

  void Join() { readers_.push_back(std::make_unique<Reader>(&log_, all_.size(), ends_.size())); }

  void Publish() {
    const std::uint32_t kind = Random(1000);
    const std::size_t size = kind == 0 ? Random(100'000) : Random(kind < 100 ? 600 : 24);
    std::string message(size, static_cast<char>('a' + Random(26)));
    if (size > 0) message[Random(size)] = '\n';
    log_.Append({}, message);
    if (framing_ == Framing::kLines) {
      all_ += message + "\n";
    } else {
      all_ += "content-type: */*\r\ncontent-length: " + std::to_string(size) + "\r\n\r\n" +
              message + "\r\n--xXPubSubXx\r\n";
    }
    ends_.push_back(all_.size());
  }

  void Leave(std::size_t which) {
    std::swap(readers_[which], readers_.back());
    readers_.pop_back();
  }

  // As a connection does: a gathering is a promise, which is kept before the next one is made.
  void Read(Reader& reader) {
    iovec pieces[16];
    const std::size_t max_bytes = reader.promised > 0 ? reader.promised : 1 + Random(2000);
    const std::size_t count = reader.cursor.Gather(pieces, max_bytes);
    std::size_t gathered = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view piece(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
      if (piece != std::string_view(all_).substr(reader.at + gathered, piece.size())) {
        FAIL("other bytes than were published");
      }
      gathered += piece.size();
    }
    const std::size_t pending = all_.size() - reader.at;
    REQUIRE(gathered <= max_bytes);
    REQUIRE((gathered > 0) == (pending > 0));
    if (reader.promised > 0) {
      REQUIRE(gathered == reader.promised);
    } else if (gathered > 0 && count < 16) {
      // Whole messages, as many as fit; or a part of one that does not fit.
      const std::size_t first_end = ends_[reader.message] - reader.at;
      if (first_end > max_bytes) {
        REQUIRE(gathered == max_bytes);
      } else {
        std::size_t last = reader.message;
        while (last + 1 < ends_.size() && ends_[last + 1] - reader.at <= max_bytes) ++last;
        REQUIRE(gathered == ends_[last] - reader.at);
      }
    }
    reader.promised = gathered;
    if (gathered > 0) Consume(reader, Random(3) == 0 ? Random(gathered + 1) : gathered);
  }

  void Consume(Reader& reader, std::size_t bytes) {
    const std::uint64_t ended = reader.cursor.Consume(bytes);
    reader.at += bytes;
    reader.promised -= bytes;
    std::uint64_t expected = 0;
    while (reader.message < ends_.size() && ends_[reader.message] <= reader.at) {
      ++reader.message;
      ++expected;
    }
    const std::size_t begin = reader.message == 0 ? 0 : ends_[reader.message - 1];
    if (ended != expected || reader.cursor.index() != reader.message ||
        reader.cursor.pending_bytes() != all_.size() - reader.at ||
        reader.cursor.lag_messages() != ends_.size() - reader.message ||
        reader.cursor.mid_message() != (reader.at > begin)) {
      FAIL("the cursor's counts are wrong");
    }
  }

  void Kick() {
    std::vector<LogCursor*> slow;
    log_.FindSlow(5000, &slow);
    for (const LogCursor* cursor : slow) REQUIRE(cursor->pending_bytes() > 5000);
    for (std::size_t i = readers_.size(); i-- > 0;) {
      Reader& reader = *readers_[i];
      if (std::find(slow.begin(), slow.end(), &reader.cursor) == slow.end()) continue;
      std::size_t end = reader.at + reader.promised;
      std::size_t message = reader.message;
      const std::size_t begin = message == 0 ? 0 : ends_[message - 1];
      if (end > begin) {
        while (ends_[message] < end) ++message;
        end = ends_[message];
      }
      const std::uint64_t whole =
          end > reader.at ? static_cast<std::uint64_t>(
                                std::lower_bound(ends_.begin(), ends_.end(), end) - ends_.begin()) +
                                1 - reader.message
                          : 0;
      Remainder rest;
      std::uint64_t left_out = 0;
      const bool skips = Random(2) == 0;
      if (skips) {
        left_out = reader.cursor.Skip(reader.promised, &rest);
      } else {
        rest = reader.cursor.Cut(reader.promised);
      }
      REQUIRE(rest.bytes() == std::string_view(all_).substr(reader.at, end - reader.at));
      REQUIRE(rest.messages() == whole);
      if (skips) {
        REQUIRE(left_out == ends_.size() - reader.message - whole);
        reader.at = all_.size();
        reader.message = ends_.size();
        reader.promised = 0;
        REQUIRE(reader.cursor.pending_bytes() == 0);
        ++skips_;
      } else {
        Leave(i);
        ++kicks_;
      }
    }
  }

  Framing framing_;
  std::mt19937 random_;
  BlockPool pool_{1024};
  FramedLog log_{&pool_, framing_};
  std::vector<std::unique_ptr<Reader>> readers_;
  std::string all_;
  std::vector<std::size_t> ends_;

 public:
  int kicks_ = 0;
  int skips_ = 0;
};

TEST_CASE("log: every reader sees exactly the published bytes in order, at any step") {
  const char* const given = std::getenv("RIVULET_TEST_SEED");
  const std::uint32_t seed = given != nullptr
                                 ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10))
                                 : std::random_device()();
  MESSAGE("seed: " << seed);
  for (const Framing framing : {Framing::kLines, Framing::kMultipart}) {
    Model model(framing, seed);
    for (int i = 0; i < LongerIfAsked(50'000); ++i) {
      model.Step();
      if (i % 5000 == 0) model.CatchUp();
    }
    model.CatchUp();
    CHECK(model.kicks_ > 0);
    CHECK(model.skips_ > 0);
  }
}

}  // namespace
}  // namespace rivulet
