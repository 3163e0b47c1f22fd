#include "tasks/svg.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/unit/tasks/support.h"

using rivulet::ShortNumber;
using rivulet::SvgAxis;
using rivulet::TickNumber;
using rivulet::test::FakeMessage;
using rivulet::test::MakeTaskOf;
using rivulet::test::RunDone;

namespace {

bool Holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("svg: numbers are short, and no number is lost") {
  CHECK(ShortNumber(0) == "0");
  CHECK(ShortNumber(-0.0) == "0");
  CHECK(ShortNumber(12345.6) == "12346");
  CHECK(ShortNumber(3.14159) == "3.142");
  CHECK(ShortNumber(1e12) == "1e+12");
  CHECK(TickNumber(250'000) == "250k");
  CHECK(TickNumber(-1.5e6) == "-1.5M");
  CHECK(TickNumber(2000) == "2000");
}

TEST_CASE("svg: axes go from one round number to another") {
  const SvgAxis axis = SvgAxis::Around(45.8, 160);
  CHECK(axis.low == 40);
  CHECK(axis.high == 160);
  CHECK(axis.Ticks(6) == std::vector<double>{40, 60, 80, 100, 120, 140, 160});
  CHECK(SvgAxis{.low = 0, .high = 1}.Ticks(5).size() == 6);
  const SvgAxis log{.low = 0.01, .high = 1000, .log = true};
  CHECK(log.Ticks(10).size() == 6);
  CHECK(log.Share(0.01) == 0);
  CHECK(log.Share(1000) == 1);
  CHECK(log.Share(-5) == 0);
}

TEST_CASE("svg: an axis is one whatever it shall show") {
  const double inf = std::numeric_limits<double>::infinity();
  const double most = std::numeric_limits<double>::max();
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{{0, 0},
                                                                        {5, 5},
                                                                        {-most, most},
                                                                        {inf, -inf},
                                                                        {1, 1 + 1e-16},
                                                                        {most, most},
                                                                        {5e-324, 1e-323}}) {
    const SvgAxis axis = SvgAxis::Around(low, high);
    CHECK(axis.low < axis.high);
    CHECK(axis.Ticks(8).size() <= 12);
  }
}

TEST_CASE("svg: every statistic draws nothing, one value, equal ones, and the extremes") {
  for (const std::string spec :
       {"moments:field=x", "histogram:field=x,low=0,high=10", "histogram:field=x,scale=log",
        "histogram:field=x,scale=integer", "quantiles:field=x", "top:field=x", "distinct:field=x",
        "rate:", "ewma:field=x", "regression:x=x,y=x"}) {
    for (const std::string by : {"", "by=k"}) {
      const std::string all = spec + (spec.ends_with(":") || by.empty() ? "" : ",") + by;
      CAPTURE(all);
      auto task = MakeTaskOf(all);
      REQUIRE(task->Show("svg"));
      CHECK(Holds(task->Show("svg")->body, "nothing yet"));
      for (const double x : {1.0, 1.0, 1e308, -1e308, 5e-324, 0.0}) {
        RunDone(*task, FakeMessage().With("x", x).With("k", "<k&>"));
        const std::string svg = task->Show("svg")->body;
        CHECK(svg.starts_with("<svg "));
        CHECK(svg.ends_with("</svg>\n"));
        CHECK_FALSE(Holds(svg, "<k&>"));
        CHECK_FALSE(Holds(svg, "\"nan"));
        CHECK_FALSE(Holds(svg, "\"inf"));
        CHECK_FALSE(Holds(svg, "\"-nan"));
      }
    }
  }
}
