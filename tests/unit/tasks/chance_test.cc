#include "tasks/chance.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/unit/tasks/support.h"

using rivulet::Outcome;
using rivulet::SplitMix64;
using rivulet::Task;
using rivulet::test::FakeMessage;
using rivulet::test::MakeTaskOf;
using rivulet::test::RunTask;

namespace {

/// One letter a message: d(one), D(rop), f(ailed).
std::string Outcomes(Task& task, int messages) {
  std::string letters;
  for (int i = 0; i < messages; ++i) {
    const auto kind = RunTask(task, FakeMessage());
    letters += kind == Outcome::Kind::kDone ? 'd' : kind == Outcome::Kind::kDrop ? 'D' : 'f';
  }
  return letters;
}

double Share(const std::string& letters, char letter) {
  return static_cast<double>(std::count(letters.begin(), letters.end(), letter)) /
         static_cast<double>(letters.size());
}

}  // namespace

TEST_CASE("split mix: the numbers that its authors' program gives") {
  // The vectors that Rosetta Code publishes for seed 1234567.
  SplitMix64 random(1234567);
  for (std::uint64_t number :
       {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
        4593380528125082431ULL, 16408922859458223821ULL}) {
    CHECK(random.Next() == number);
  }
}

TEST_CASE("sample: the share that was asked for passes") {
  auto task = MakeTaskOf("sample:rate=.25");
  // Five standard deviations of a share of 20,000: 5 sqrt(.25 * .75 / 20000) = 0.0153.
  CHECK(Share(Outcomes(*task, 20'000), 'd') == doctest::Approx(0.25).epsilon(0.06));
  CHECK(Outcomes(*MakeTaskOf("sample:rate=1"), 100) == std::string(100, 'd'));
  CHECK(Outcomes(*MakeTaskOf("sample:rate=0"), 100) == std::string(100, 'D'));
}

TEST_CASE("sample: a message that is tried again passes, and takes no number") {
  auto task = MakeTaskOf("sample:rate=.5,seed=3");
  auto alone = MakeTaskOf("sample:rate=.5,seed=3");
  std::string letters;
  for (int i = 0; i < 50; ++i) {
    letters += Outcomes(*task, 1);
    CHECK(RunTask(*task, FakeMessage("{}", 2)) == Outcome::Kind::kDone);
  }
  CHECK(letters == Outcomes(*alone, 50));
}

TEST_CASE("sample: the seed chooses, and without one it is always the same") {
  CHECK(Outcomes(*MakeTaskOf("sample:rate=.5"), 64) ==
        Outcomes(*MakeTaskOf("sample:rate=.5,seed=1"), 64));
  CHECK(Outcomes(*MakeTaskOf("sample:rate=.5,seed=2"), 64) !=
        Outcomes(*MakeTaskOf("sample:rate=.5,seed=1"), 64));
}

TEST_CASE("fail: the share that was asked for fails, at every try anew") {
  auto task = MakeTaskOf("fail:rate=.2");
  CHECK(Share(Outcomes(*task, 20'000), 'f') == doctest::Approx(0.2).epsilon(0.07));
  CHECK(Outcomes(*MakeTaskOf("fail:rate=1"), 100) == std::string(100, 'f'));
  CHECK(Outcomes(*MakeTaskOf("fail:rate=0"), 100) == std::string(100, 'd'));
}
