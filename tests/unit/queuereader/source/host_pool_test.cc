#include "queuereader/source/host_pool.h"

#include <doctest/doctest.h>

#include <chrono>

using rivulet::HostPool;
using rivulet::MonoTime;
using std::chrono::seconds;

namespace {

constexpr MonoTime kNow{seconds(100)};

}  // namespace

TEST_CASE("host pool: one host is read as long as it has messages") {
  HostPool hosts(3, seconds(5));
  for (int i = 0; i < 3; ++i) {
    hosts.StartRound();
    CHECK(hosts.Next(kNow) == 0);
    hosts.OnMessages(0);
  }
}

TEST_CASE("host pool: a round asks each host once, beginning behind the last empty one") {
  HostPool hosts(3, seconds(5));
  for (std::size_t first = 0; first < 2; ++first) {
    hosts.StartRound();
    CHECK_FALSE(hosts.any_answered());
    for (std::size_t i = 0; i < 3; ++i) {
      const auto host = hosts.Next(kNow);
      REQUIRE(host == i);
      hosts.OnEmpty(*host);
    }
    CHECK_FALSE(hosts.Next(kNow).has_value());
    CHECK(hosts.any_answered());
  }
  hosts.StartRound();
  hosts.Next(kNow);
  hosts.OnEmpty(0);
  hosts.StartRound();
  CHECK(hosts.Next(kNow) == 1);
}

TEST_CASE("host pool: who failed is left alone for the pause, and then asked in its turn") {
  HostPool hosts(2, seconds(5));
  hosts.StartRound();
  CHECK(hosts.Next(kNow) == 0);
  hosts.OnFailed(0, kNow);
  CHECK(hosts.Next(kNow) == 1);
  hosts.OnEmpty(1);

  hosts.StartRound();
  CHECK(hosts.Next(kNow + seconds(4)) == 1);
  hosts.OnEmpty(1);
  CHECK_FALSE(hosts.Next(kNow + seconds(4)).has_value());
  CHECK(hosts.NextInTurn(kNow + seconds(4)) == 1);

  hosts.StartRound();
  CHECK(hosts.Next(kNow + seconds(5)) == 0);
  hosts.OnEmpty(0);
  CHECK(hosts.Next(kNow + seconds(5)) == 1);
}

TEST_CASE("host pool: where all failed all are asked again") {
  HostPool hosts(2, seconds(5));
  for (int round = 0; round < 2; ++round) {
    hosts.StartRound();
    for (std::size_t i = 0; i < 2; ++i) {
      REQUIRE(hosts.Next(kNow) == i);
      hosts.OnFailed(i, kNow);
    }
    CHECK_FALSE(hosts.Next(kNow).has_value());
    CHECK_FALSE(hosts.any_answered());
  }
}

TEST_CASE("host pool: questions in turn go round") {
  HostPool hosts(3, seconds(5));
  CHECK(hosts.NextInTurn(kNow) == 1);
  CHECK(hosts.NextInTurn(kNow) == 2);
  CHECK(hosts.NextInTurn(kNow) == 0);
  hosts.OnFailed(1, kNow);
  hosts.OnEmpty(0);
  CHECK(hosts.NextInTurn(kNow) == 2);
  CHECK(hosts.NextInTurn(kNow) == 0);
  CHECK(hosts.NextInTurn(kNow) == 2);
}
