#include "queuereader/runner/hold.h"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using rivulet::Delivery;
using rivulet::Hold;
using rivulet::WallTime;

namespace {
WallTime At(int seconds) { return WallTime(std::chrono::seconds(seconds)); }
}  // namespace

TEST_CASE("hold: messages come out in the order they are due") {
  Hold hold(10, 1000);
  REQUIRE(hold.Add("late", {}, At(30)));
  REQUIRE(hold.Add("early", {}, At(10)));
  REQUIRE(hold.Add("middle", {}, At(20)));
  CHECK(hold.first_due() == At(10));
  CHECK(hold.Take().body == "early");
  CHECK(hold.Take().body == "middle");
  CHECK(hold.Take().body == "late");
  CHECK(hold.empty());
}

TEST_CASE("hold: messages due at the same time come out in the order they went in") {
  Hold hold(100, 1000);
  for (char c = 'a'; c <= 'z'; ++c) REQUIRE(hold.Add(std::string(1, c), {}, At(5)));
  for (char c = 'a'; c <= 'z'; ++c) CHECK(hold.Take().body == std::string(1, c));
}

TEST_CASE("hold: one message too many is refused, and taken again after a Take") {
  Hold hold(2, 1000);
  REQUIRE(hold.Add("a", {}, At(1)));
  REQUIRE(hold.Add("b", {}, At(2)));
  CHECK_FALSE(hold.Add("c", {}, At(3)));
  CHECK(hold.size() == 2);
  hold.Take();
  CHECK(hold.Add("c", {}, At(3)));
}

TEST_CASE("hold: bytes are bounded, but a single message is always taken") {
  Hold hold(10, 4);
  REQUIRE(hold.Add("far too long", {}, At(1)));
  CHECK_FALSE(hold.Add("x", {}, At(1)));
  hold.Take();
  REQUIRE(hold.Add("1234", {}, At(1)));
  CHECK_FALSE(hold.Add("x", {}, At(1)));
}

TEST_CASE("hold: a message keeps the mark of where it came from") {
  Hold hold(10, 1000);
  Delivery delivery;
  delivery.origin = 7;
  delivery.requeued = true;
  REQUIRE(hold.Add("a", delivery, At(1)));
  Hold::Item item = hold.Take();
  CHECK(item.delivery.origin == 7);
  CHECK(item.delivery.requeued);
}
