#include "http/query.h"

#include <doctest/doctest.h>

using rivulet::FindParameter;

TEST_CASE("query: values are percent-decoded, + is a space, the first of a name wins") {
  CHECK(FindParameter("data=a%20b%26c%3Dd", "data") == "a b&c=d");
  CHECK(FindParameter("data=a+b", "data") == "a b");
  CHECK(FindParameter("data=x&data=y", "data") == "x");
  CHECK(FindParameter("a=1&data=z&b=2", "data") == "z");
  CHECK(FindParameter("data=a%00b", "data") == std::string("a\0b", 3));
  CHECK(FindParameter("data=%C3%a9", "data") == "\xc3\xa9");
}

TEST_CASE("query: a percent sign without two digits stands for itself, as the original reads it") {
  CHECK(FindParameter("data=100%", "data") == "100%");
  CHECK(FindParameter("data=%zz", "data") == "%zz");
  CHECK(FindParameter("data=%4", "data") == "%4");
  CHECK(FindParameter("data=%41", "data") == "A");
}

TEST_CASE("query: names match in any case, undecoded, and need an equals sign") {
  CHECK(FindParameter("DATA=up", "data") == "up");
  CHECK_FALSE(FindParameter("d%61ta=z", "data"));
  CHECK_FALSE(FindParameter("data", "data"));
  CHECK_FALSE(FindParameter("", "data"));
  CHECK_FALSE(FindParameter("xdata=1&datax=2", "data"));
  CHECK(FindParameter("data=", "data") == "");
}
