#include "file_to_http/offset_tracker.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

using namespace rivulet;

TEST_CASE("offset tracker: where to go on is behind the last message with which all are done") {
  OffsetTracker tracker;
  tracker.Note({0, 10});
  tracker.Note({0, 25});
  tracker.Note({1, 5});
  CHECK(tracker.Done(0) == FilePlace{0, 0});
  CHECK(tracker.Done(1) == FilePlace{0, 10});
  CHECK(tracker.Done(2) == FilePlace{0, 25});
  CHECK(tracker.Done(2) == FilePlace{0, 25});
  CHECK(tracker.Done(3) == FilePlace{1, 5});
}

TEST_CASE("offset tracker: it begins where reading begins, with any number") {
  OffsetTracker tracker({2, 100}, 7);
  CHECK(tracker.Done(7) == FilePlace{2, 100});
  tracker.Note({2, 110});
  CHECK(tracker.Done(7) == FilePlace{2, 100});
  CHECK(tracker.Done(8) == FilePlace{2, 110});
}

TEST_CASE("offset tracker: what was read and is no message counts once all before it is done") {
  OffsetTracker tracker;
  tracker.Note({0, 10});
  tracker.Pass({1, 50});
  CHECK(tracker.Done(0) == FilePlace{0, 0});
  CHECK(tracker.Done(1) == FilePlace{1, 50});
  tracker.Pass({1, 70});
  CHECK(tracker.Done(1) == FilePlace{1, 70});
}

TEST_CASE("offset tracker: agrees with a list of places over many random steps") {
  std::mt19937_64 random(5);
  OffsetTracker tracker;
  std::vector<FilePlace> places;  // the model: behind each message
  FilePlace at;
  std::uint64_t done = 0;
  for (int step = 0; step < 3000; ++step) {
    const auto count = random() % 20;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (random() % 1000 == 0) at = {at.file + 1, 0};
      // Now and then more than 32 bits can count.
      at.offset += random() % 500 == 0 ? (std::uint64_t{5} << 30) : 1 + random() % 200;
      tracker.Note(at);
      places.push_back(at);
    }
    done += random() % (places.size() - done + 1) / (1 + random() % 50);
    REQUIRE(tracker.Done(done) == (done == 0 ? FilePlace{} : places[done - 1]));
  }
}
