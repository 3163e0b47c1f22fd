#include "tasks/bar_chart.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/tasks/support.h"

using rivulet::Bar;
using rivulet::BarChartSvg;
using rivulet::test::FakeMessage;
using rivulet::test::MakeTaskOf;
using rivulet::test::RunDone;

namespace {

bool Holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("bar chart: bars are as long as their values, the longest takes all the room") {
  const std::string svg = BarChartSvg("title", {{"a", 8}, {"b", 2}, {"c", 0}});
  CHECK(Holds(svg, "<title>title</title>"));
  // By hand: 420 for the longest, a quarter of it for a quarter.
  CHECK(Holds(svg, "width=\"420.0\""));
  CHECK(Holds(svg, "width=\"105.0\""));
  CHECK(Holds(svg, "width=\"0.0\""));
  CHECK(Holds(BarChartSvg("title", {}), "nothing yet"));
}

TEST_CASE("bar chart: a label is text, whatever it holds") {
  auto label = [](const std::string& text) { return BarChartSvg("t", {{text, 1}}); };
  const std::string script = label("</text><script>&\"'");
  CHECK(Holds(script, ">&lt;/text&gt;&lt;script&gt;&amp;\"'</text>"));
  CHECK_FALSE(Holds(script, "<script"));
  CHECK(Holds(label(std::string("a\0b\x1b", 4)), ">a\uFFFDb\uFFFD</text>"));
  CHECK(Holds(label("\xff\xc3"), ">\uFFFD\uFFFD</text>"));
  CHECK(Holds(label("\xEF\xBF\xBF"), ">\uFFFD</text>"));
  CHECK(Holds(label("Łódź \U0001F600"), ">Łódź \U0001F600</text>"));
}

TEST_CASE("bar chart: long labels are cut between characters") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ß";
  std::string kept;
  for (int i = 0; i < 24; ++i) kept += "ß";
  CHECK(Holds(BarChartSvg("t", {{text, 1}}), ">" + kept + "\u2026</text>"));
}

TEST_CASE("top: its view is a chart of the most frequent values") {
  auto task = MakeTaskOf("top:field=c,k=2");
  for (const char* c : {"US", "BR", "US", "<b>", "<b>", "<b>"}) {
    RunDone(*task, FakeMessage().With("c", std::string(c)));
  }
  CHECK(task->views() == std::vector<std::string>{"svg"});
  const auto view = task->Show("svg");
  REQUIRE(view);
  CHECK(view->content_type == "image/svg+xml");
  CHECK(view->body.find(">&lt;b&gt;</text>") < view->body.find(">US</text>"));
  CHECK_FALSE(Holds(view->body, ">BR<"));
  CHECK_FALSE(task->Show("html"));
  CHECK(MakeTaskOf("count")->views().empty());
}
