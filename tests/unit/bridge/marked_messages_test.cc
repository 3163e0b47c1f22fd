#include "bridge/marked_messages.h"

#include <doctest/doctest.h>

#include <array>
#include <random>

namespace rivulet {
namespace {

TEST_CASE("marked messages: agree with a table of marks, each message marked once") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    MarkedMessages marked;
    std::array<char, 60> table{};  // 0, 'r' or 'd'
    std::uint64_t taken = 0;
    for (int step = 0; step < 40; ++step) {
      if (step % 8 != 7) {
        const auto first = taken + random() % (table.size() - taken);
        const auto end = std::min<std::uint64_t>(table.size(), first + random() % 9);
        const bool refused = random() % 2 == 0;
        marked.Mark(first, end, refused);
        for (auto i = first; i < end; ++i) {
          if (table[i] == 0) table[i] = refused ? 'r' : 'd';
        }
        continue;
      }
      const auto until = taken + random() % (table.size() - taken);
      const auto counts = marked.TakeBefore(until);
      MarkedMessages::Counts expected;
      for (; taken < until; ++taken) {
        expected.refused += table[taken] == 'r' ? 1 : 0;
        expected.dropped += table[taken] == 'd' ? 1 : 0;
      }
      REQUIRE(counts.refused == expected.refused);
      REQUIRE(counts.dropped == expected.dropped);
    }
  }
}

}  // namespace
}  // namespace rivulet
