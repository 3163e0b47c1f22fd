#include "pubsub/memory_past.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/scaled.h"

namespace rivulet {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WallTime kStart{seconds(1'331'923'247)};

struct Fixture {
  explicit Fixture(Retention retention, std::uint64_t first_offset = 0)
      : past(retention, first_offset) {}

  void Append(std::string_view body, Duration after = {}) {
    now += after;
    past.Append({"t", past.end_offset(), sequence, now, body});
    sequence += 3;  // other topics have the others
  }
  std::vector<std::string> From(std::uint64_t offset) {
    std::vector<std::string> bodies;
    PastPlace place = *past.At(offset);
    for (auto message = *past.Next(&place); message; message = *past.Next(&place)) {
      bodies.emplace_back(message->body);
    }
    return bodies;
  }

  MemoryPast past;
  WallTime now = kStart;
  std::uint64_t sequence = 100;
};

using Bodies = std::vector<std::string>;

TEST_CASE("past: what was appended is read again from any of it on") {
  Fixture f({1000, {}}, 7);
  CHECK(f.past.first_offset() == 7);
  CHECK(f.past.end_offset() == 7);
  CHECK(f.From(0).empty());
  f.Append("one");
  f.Append("");
  f.Append(std::string("x\0\xff\n", 4));
  CHECK(f.past.first_offset() == 7);
  CHECK(f.past.end_offset() == 10);
  CHECK(f.past.retained_bytes() == 7);
  CHECK(f.From(7) == Bodies{"one", "", std::string("x\0\xff\n", 4)});
  CHECK(f.From(9) == Bodies{std::string("x\0\xff\n", 4)});
  CHECK(f.From(10).empty());
  CHECK(f.From(0).size() == 3);  // the nearest kept one
  CHECK(f.From(99).empty());
}

TEST_CASE("past: a message has its offset, sequence and time again") {
  Fixture f({1'000'000, {}}, 7);
  for (int i = 0; i < 500; ++i) f.Append("m", milliseconds(i * i));
  PastPlace place = *f.past.At(7);
  WallTime time = kStart;
  for (std::uint64_t i = 0; i < 500; ++i) {
    time += milliseconds(i * i);
    const auto message = *f.past.Next(&place);
    REQUIRE(message.has_value());
    CHECK(message->offset == 7 + i);
    CHECK(message->sequence == 100 + 3 * i);
    CHECK(message->time == time);
    CHECK(message->topic.empty());
    CHECK(place.offset == 8 + i);
  }
  CHECK_FALSE((*f.past.Next(&place)).has_value());
}

TEST_CASE("past: a place at the end goes on with what comes") {
  Fixture f({100'000, {}});
  PastPlace place = *f.past.At(0);
  for (int i = 0; i < 3000; ++i) {  // more than a chunk
    CHECK_FALSE((*f.past.Next(&place)).has_value());
    const std::string body = std::to_string(i);
    f.Append(body);
    const auto message = *f.past.Next(&place);
    REQUIRE(message.has_value());
    REQUIRE(message->body == body);
  }
}

TEST_CASE("past: the newest messages that together have the bytes are kept, and little more") {
  for (const std::size_t retain : {1000U, 10'000U, 1'000'000U}) {
    CAPTURE(retain);
    Fixture f({retain, {}});
    for (int i = 0; i < 30'000; ++i) {
      f.Append(std::string(99, 'm'));
      const std::uint64_t all = (static_cast<std::uint64_t>(i) + 1) * 99;
      REQUIRE(f.past.retained_bytes() >= std::min<std::uint64_t>(all, retain));
      REQUIRE(f.past.retained_bytes() <= retain + std::max<std::size_t>(retain / 8, 256));
    }
    // Three bytes and a size beside 99: at most a tenth; and the chunk in hand.
    CHECK(f.past.memory_bytes() <= retain * 13 / 10 + 4096 + 512);
  }
}

TEST_CASE("past: a message larger than all that is to be kept is kept until the next ones are it") {
  Fixture f({1000, {}});
  f.Append(std::string(1'000'000, 'L'));
  CHECK(f.past.retained_bytes() == 1'000'000);
  f.Append(std::string(999, 's'));
  CHECK(f.past.first_offset() == 0);
  f.Append("s");
  CHECK(f.past.first_offset() == 1);
  CHECK(f.past.retained_bytes() == 1000);
  CHECK(f.past.memory_bytes() < 10'000);
}

TEST_CASE("past: chunks of messages of every size have little unused") {
  for (const std::size_t size : {1000U, 100'000U, 130'000U, 140'000U, 200'000U}) {
    CAPTURE(size);
    Fixture f({64 << 20, {}});
    for (std::size_t bytes = 0; bytes < (16 << 20); bytes += size) f.Append(std::string(size, 'm'));
    CHECK(f.past.memory_bytes() <= f.past.retained_bytes() * 9 / 8 + 256 * 1024 + 4096);
  }
}

TEST_CASE("past: what is older than the time is let go of, and no more than an eighth of it late") {
  Fixture f({1'000'000, seconds(80)});
  for (int i = 0; i < 1000; ++i) {
    f.Append("m", seconds(1));
    const std::uint64_t kept = f.past.end_offset() - f.past.first_offset();
    REQUIRE(kept >= std::min<std::uint64_t>(static_cast<std::uint64_t>(i) + 1, 80));
    REQUIRE(kept <= 80 + 11);
  }
  f.past.Trim(f.now + seconds(79));
  CHECK(f.past.end_offset() - f.past.first_offset() >= 1);
  f.past.Trim(f.now + seconds(80));
  CHECK(f.past.first_offset() == 1000);
  CHECK(f.past.end_offset() == 1000);
  CHECK(f.past.retained_bytes() == 0);
  CHECK(f.past.memory_bytes() == 0);
  f.Append("after");
  CHECK(f.From(0) == Bodies{"after"});
}

TEST_CASE("past: messages of nothing do not cost without a bound") {
  Fixture f({10'000, {}});
  for (int i = 0; i < 1'000'000; ++i) f.Append("");
  CHECK(f.past.end_offset() - f.past.first_offset() > 10'000);
  CHECK(f.past.memory_bytes() < 4 * 10'000 + 16'000);
}

TEST_CASE("past: found by time and by sequence is the first that is not before") {
  Fixture f({1'000'000, {}}, 50);
  CHECK(*f.past.OffsetAtTime(kStart) == 50);
  CHECK(*f.past.OffsetAtSequence(0) == 50);
  for (int i = 0; i < 2000; ++i) f.Append("message", i % 4 == 0 ? seconds(10) : seconds(0));
  // Four messages at each time; every third sequence from 100 on.
  CHECK(*f.past.OffsetAtTime(kStart) == 50);
  CHECK(*f.past.OffsetAtTime(kStart + seconds(10)) == 50);
  CHECK(*f.past.OffsetAtTime(kStart + seconds(11)) == 54);
  CHECK(*f.past.OffsetAtTime(kStart + seconds(20)) == 54);
  CHECK(*f.past.OffsetAtTime(kStart + seconds(5000)) == 50 + 1996);
  CHECK(*f.past.OffsetAtTime(kStart + seconds(5001)) == 2050);
  CHECK(*f.past.OffsetAtSequence(0) == 50);
  CHECK(*f.past.OffsetAtSequence(100) == 50);
  CHECK(*f.past.OffsetAtSequence(101) == 51);
  CHECK(*f.past.OffsetAtSequence(103) == 51);
  CHECK(*f.past.OffsetAtSequence(100 + 3 * 1999) == 2049);
  CHECK(*f.past.OffsetAtSequence(100 + 3 * 1999 + 1) == 2050);
}

TEST_CASE("past: every message let go has a lower sequence than is said, and none kept has") {
  Fixture f({10'000, {}});
  CHECK(f.past.gone_sequence() == 0);
  for (int i = 0; i < 1000; ++i) {
    f.Append(std::string(100, 'm'));
    // Every third sequence from 100 on.
    const std::uint64_t first_kept = 100 + 3 * f.past.first_offset();
    REQUIRE(f.past.gone_sequence() == (f.past.first_offset() == 0 ? 0 : first_kept - 2));
  }
  f.past.Trim(f.now + std::chrono::hours(1000));
  CHECK(f.past.first_offset() > 0);
}

TEST_CASE("past: the bytes from a message on are told to a chunk") {
  Fixture f({1'000'000, {}});
  for (int i = 0; i < 5000; ++i) f.Append(std::string(100, 'm'));
  CHECK(f.past.BytesFrom(0) == 500'000);
  CHECK(f.past.BytesFrom(5000) == 0);
  CHECK(f.past.BytesFrom(6000) == 0);
  // Of messages of one size the share of a chunk is exact.
  CHECK(f.past.BytesFrom(1234) >= 376'500);
  CHECK(f.past.BytesFrom(1234) <= 376'700);
}

TEST_CASE("past: a model with everything in a list agrees, whatever is read, kept and let go") {
  struct Kept {
    std::uint64_t offset, sequence;
    WallTime time;
    std::string body;
  };
  for (const Retention retention :
       {Retention{3000, {}}, Retention{200'000, {}}, Retention{50'000, seconds(20)},
        Retention{1ULL << 40, seconds(3)}}) {
    std::mt19937 random(1202);
    std::vector<Kept> all;  // ever
    MemoryPast past(retention, 5);
    std::vector<PastPlace> places;
    std::uint64_t sequence = 0;
    WallTime now = kStart;
    const auto lookup = [&](std::uint64_t offset) -> const Kept& { return all[offset - 5]; };
    for (int step = 0; step < LongerIfAsked(10'000); ++step) {
      const auto what = random() % 10;
      if (what < 4) {
        now += milliseconds(random() % 3 == 0 ? random() % 20 : 0);
        sequence += random() % 100 == 0 ? 1'000'000 : 1 + random() % 2;
        const std::size_t size = random() % 100 == 0 ? random() % 9000 : random() % 60;
        all.push_back({past.end_offset(), sequence, now, std::string(size, 'm')});
        past.Append({"t", past.end_offset(), sequence, now, all.back().body});
      } else if (what < 8 && !places.empty()) {
        PastPlace& place = places[random() % places.size()];
        if (random() % 8 == 0) {
          // Many at a time are what one after the other would be.
          struct Taker final : MessageVisitor {
            bool OnMessage(TopicMessage& message) override {
              if (left == 0) return false;
              --left;
              taken.emplace_back(message.offset, message.body);
              return true;
            }
            std::size_t left = 0;
            std::vector<std::pair<std::uint64_t, std::string>> taken;
          } taker;
          taker.left = random() % 500;
          PastPlace alone = place;
          std::vector<std::pair<std::uint64_t, std::string>> one_by_one;
          for (std::size_t left = taker.left; left > 0; --left) {
            const auto message = *past.Next(&alone);
            if (!message) break;
            one_by_one.emplace_back(message->offset, message->body);
          }
          REQUIRE(past.ReadOn(&place, &taker).ok());
          REQUIRE(taker.taken == one_by_one);
          if (!one_by_one.empty()) REQUIRE(place.offset == alone.offset);
          continue;
        }
        const std::uint64_t wanted = std::max(place.offset, past.first_offset());
        const auto message = *past.Next(&place);
        REQUIRE(message.has_value() == (wanted < past.end_offset()));
        if (!message) continue;
        const Kept& kept = lookup(wanted);
        if (message->offset != kept.offset || message->sequence != kept.sequence ||
            message->time != kept.time || message->body != kept.body ||
            place.offset != wanted + 1) {
          FAIL("another message than was appended");
        }
      } else if (what == 8) {
        const std::uint64_t offset = random() % (past.end_offset() + 2);
        if (places.size() > 8) places.erase(places.begin());
        places.push_back(*past.At(offset));
        REQUIRE(places.back().offset == std::clamp(offset, past.first_offset(), past.end_offset()));
        if (random() % 4 == 0) places.push_back(places.back());
      } else if (random() % 20 == 0) {
        now += seconds(random() % 5);
        past.Trim(now);
      } else if (!all.empty()) {
        const Kept& any = all[random() % all.size()];
        const auto first = all.begin() + static_cast<std::ptrdiff_t>(past.first_offset() - 5);
        const auto by_time =
            std::find_if(first, all.end(), [&](const Kept& k) { return k.time >= any.time; });
        const auto by_sequence = std::find_if(
            first, all.end(), [&](const Kept& k) { return k.sequence >= any.sequence; });
        REQUIRE(*past.OffsetAtTime(any.time) ==
                5 + static_cast<std::uint64_t>(by_time - all.begin()));
        REQUIRE(*past.OffsetAtSequence(any.sequence) ==
                5 + static_cast<std::uint64_t>(by_sequence - all.begin()));
      }
      if (step % 100 == 0) {
        std::uint64_t bytes = 0;
        for (std::uint64_t o = past.first_offset(); o < past.end_offset(); ++o) {
          bytes += lookup(o).body.size();
        }
        REQUIRE(past.retained_bytes() == bytes);
        // Whatever is not kept is too old, or what is kept is enough without it.
        if (past.first_offset() > 5) {
          const Kept& gone = lookup(past.first_offset() - 1);
          const bool too_old =
              retention.time > Duration::zero() && now - gone.time >= retention.time;
          REQUIRE((too_old || bytes >= retention.bytes));
        }
      }
    }
    CHECK(past.first_offset() > 5);
  }
}

}  // namespace
}  // namespace rivulet
