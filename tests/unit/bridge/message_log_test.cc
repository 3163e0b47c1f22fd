#include "bridge/message_log.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace rivulet {
namespace {

constexpr std::uint64_t kNoLimit = UINT64_MAX;

TEST_CASE("message log: batches keep their bytes, and dropping gives the rest back") {
  MessageLog log(kNoLimit);
  const std::string big(700'000, 'b');
  for (int i = 0; i < 3; ++i) log.Append(big);  // a block holds one
  const auto first = log.Slice(0, 10);
  CHECK(first.count == 1);
  CHECK((first.message() == big));
  log.DropBefore(3);
  CHECK(log.held_bytes() == 0);
  log.Append("next");
  CHECK((first.message() == big));
  CHECK(log.Slice(3, 10).message() == "next");
  log.Append(std::string(5'000'000, 'c'));  // longer than a block
  log.Append("");
  CHECK(log.held_bytes() == 5 + 5'000'001 + 1);
  CHECK(log.Slice(4, 1).message().size() == 5'000'000);
  CHECK(log.Slice(5, 10).message().empty());
  log.DropBefore(5);
  CHECK(log.held_bytes() == 1);
}

TEST_CASE("message log: a message that is empty or has a newline inside stands alone") {
  MessageLog log(kNoLimit, 1000);
  for (const char* message : {"a", "b", "", "x\ny", "c", "d", "\n", "e"}) log.Append(message);
  struct Expected {
    std::uint64_t first;
    std::uint64_t count;
    const char* lines;
    bool cut_at_newlines;
  };
  for (const Expected& expected :
       {Expected{1000, 2, "a\nb\n", true}, Expected{1001, 1, "b\n", true},
        Expected{1002, 1, "\n", false}, Expected{1003, 1, "x\ny\n", false},
        Expected{1004, 2, "c\nd\n", true}, Expected{1006, 1, "\n\n", false},
        Expected{1007, 1, "e\n", true}}) {
    CAPTURE(expected.first);
    const auto batch = log.Slice(expected.first, 100);
    CHECK(batch.first == expected.first);
    CHECK(batch.count == expected.count);
    CHECK(batch.lines == expected.lines);
    CHECK(batch.cut_at_newlines == expected.cut_at_newlines);
  }
  CHECK(log.Slice(1000, 1).lines == "a\n");
}

TEST_CASE("message log: a reader that keeps up lives in one block") {
  MessageLog log(kNoLimit);
  const char* where = nullptr;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    log.Append(std::string(1000, 'x'));
    const auto batch = log.Slice(i, 1);
    if (i == 0) where = batch.lines.data();
    CHECK(batch.lines.data() == where);
    log.DropBefore(i);  // the batch is still read
    const_cast<MessageBatch&>(batch).owner.reset();
    log.DropBefore(i + 1);
  }
}

TEST_CASE("message log: messages that were released out of order no longer count as held") {
  MessageLog log(100);
  for (int i = 0; i < 10; ++i) log.Append("123456789");
  CHECK(log.full());
  log.Release(4, 6);
  CHECK(log.held_bytes() == 80);
  log.Release(7, 8);
  log.Release(6, 7);  // between the two: 4 to 7 are one run now
  CHECK(log.held_bytes() == 60);
  CHECK(log.Slice(2, 1).message() == "123456789");
  log.DropBefore(2);
  CHECK(log.held_bytes() == 40);
  log.DropBefore(5);  // into the run
  CHECK(log.held_bytes() == 20);
  log.DropBefore(8);
  CHECK(log.held_bytes() == 20);
  log.DropBefore(10);
  CHECK(log.held_bytes() == 0);
}

TEST_CASE("message log: a block of released messages is given back before the start reaches it") {
  MessageLog log(kNoLimit);
  const std::string big(700'000, 'b');  // a block each
  std::vector<std::weak_ptr<const void>> owners;
  for (std::uint64_t i = 0; i < 4; ++i) {
    log.Append(big);
    owners.push_back(log.Slice(i, 1).owner);
    if (i > 0) log.Release(i, i + 1);
  }
  CHECK_FALSE(owners[0].expired());
  CHECK(owners[1].expired());
  CHECK(owners[2].expired());
  CHECK_FALSE(owners[3].expired());  // still appended to
  CHECK(log.held_bytes() == 700'001);
  CHECK((log.Slice(0, 10).message() == big));
}

TEST_CASE("message log: agrees with a list of strings, whatever is done to it") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    MessageLog log(kNoLimit, seed);
    struct Held {
      std::string message;
      bool released = false;
    };
    std::deque<Held> model;
    std::uint64_t start = seed;
    for (int step = 0; step < 400; ++step) {
      const auto end = start + model.size();
      const auto dice = random() % 8;
      if (dice < 4 || model.empty()) {
        const std::size_t size = dice == 0 ? random() % 400'000 : random() % 30;
        std::string message(size, 'm');
        if (size > 0 && random() % 4 == 0) message[random() % size] = '\n';
        log.Append(message);
        model.push_back({std::move(message)});
      } else if (dice == 4) {
        const auto count = random() % (model.size() / 2 + 1) + (random() % 8 == 0 ? 1 : 0);
        model.erase(model.begin(), model.begin() + static_cast<long>(count));
        start += count;
        log.DropBefore(start);
      } else if (dice == 5) {
        const auto from = random() % model.size();
        auto to = from;
        while (to < model.size() && to < from + 5 && !model[to].released) {
          model[to++].released = true;
        }
        log.Release(start + from, start + to);
      } else {
        const auto at = random() % model.size();
        if (model[at].released) continue;
        const auto batch = log.Slice(start + at, 1 + random() % 9);
        REQUIRE(batch.count > 0);
        REQUIRE(start + at + batch.count <= end);
        std::string expected;
        for (std::size_t i = 0; i < batch.count; ++i) {
          const std::string& message = model[at + i].message;
          expected += message + "\n";
          REQUIRE(batch.cut_at_newlines ==
                  (!message.empty() && message.find('\n') == std::string::npos));
        }
        REQUIRE((batch.lines == expected));
        if (!batch.cut_at_newlines) REQUIRE(batch.count == 1);
      }
      std::uint64_t bytes = 0;
      for (const auto& [message, released] : model) bytes += released ? 0 : message.size() + 1;
      REQUIRE(log.held_bytes() == bytes);
      REQUIRE(log.start() == start);
      REQUIRE(log.end() == start + model.size());
    }
  }
}

}  // namespace
}  // namespace rivulet
