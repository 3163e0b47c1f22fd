#include "algorithms/json_view.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "algorithms/moments.h"
#include "algorithms/top_k.h"

using rivulet::JsonView;

namespace {

template <typename T>
std::string Written(const T& value) {
  return JsonView().Value(value).Take();
}

}  // namespace

TEST_CASE("json_view: commas stand between values alone") {
  JsonView view;
  view.BeginObject().Field("a", 1).Key("b").BeginArray().EndArray().Key("c").BeginArray();
  view.Value(1).Value("x").BeginObject().EndObject().Null().EndArray().Field("d", true);
  CHECK(view.EndObject().Take() == R"({"a":1,"b":[],"c":[1,"x",{},null],"d":true})");
  CHECK(JsonView().BeginArray().EndArray().Take() == "[]");
}

TEST_CASE("json_view: numbers are the shortest that read back the same") {
  CHECK(Written(0.1) == "0.1");
  CHECK(Written(1.0 / 3) == "0.3333333333333333");
  CHECK(Written(5.0) == "5");
  CHECK(Written(1e300) == "1e+300");
  CHECK(Written(-0.25) == "-0.25");
  CHECK(Written(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(Written(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
}

TEST_CASE("json_view: what is not finite is null") {
  CHECK(Written(std::numeric_limits<double>::quiet_NaN()) == "null");
  CHECK(Written(-std::numeric_limits<double>::infinity()) == "null");
}

// RFC 8259, section 7: the quotation mark, the reverse solidus and the control characters.
TEST_CASE("json_view: strings are escaped") {
  CHECK(Written("a\"b\\c/\n\x1f") == R"("a\"b\\c/\u000a\u001f")");
  CHECK(Written(std::string("\0", 1)) == R"("\u0000")");
  CHECK(JsonView().BeginObject().Field("\"", 1).EndObject().Take() == R"({"\"":1})");
}

// RFC 3629: too long forms, surrogates, beyond U+10FFFF, and what is cut are no characters.
TEST_CASE("json_view: bytes that are no UTF-8 become replacement characters") {
  const std::string good = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf";
  CHECK(Written(good) == '"' + good + '"');
  const std::string bad = "\xef\xbf\xbd";
  CHECK(Written("a\xff"
                "b") == "\"a" + bad + "b\"");
  CHECK(Written("\xe2\x82") == '"' + bad + bad + '"');
  CHECK(Written("\xc0\x80") == '"' + bad + bad + '"');
  CHECK(Written("\xed\xa0\x80") == '"' + bad + bad + bad + '"');
  CHECK(Written("\xf4\x90\x80\x80") == '"' + bad + bad + bad + bad + '"');
}

TEST_CASE("json_view: moments, and what of them is not defined") {
  rivulet::Moments moments;
  CHECK(moments.Json() ==
        R"({"count":0,"mean":null,"stddev":null,"variance":null,"min":null,"max":null,)"
        R"("skewness":null,"excess_kurtosis":null})");
  moments.Update(1);
  moments.Update(3);
  CHECK(moments.Json().starts_with(R"({"count":2,"mean":2,"stddev":1.4142135623730951,)"
                                   R"("variance":2,"min":1,"max":3,"skewness":0,)"));
}

TEST_CASE("json_view: moments from their sums go on as those they came from") {
  rivulet::Moments moments;
  for (const double value : {0.1, -7.5, 3.0}) moments.Update(value);
  CHECK(rivulet::Moments::FromSums(moments.sums()).Save() == moments.Save());
  CHECK(rivulet::Moments::FromSums({}).Save() == rivulet::Moments().Save());
}

TEST_CASE("json_view: the top of a list, as many as are asked for") {
  rivulet::TopK top(10);
  top.Update("a", 2);
  top.Update("b\"", 3);
  top.Update("c", 1);
  CHECK(top.Json(2) == R"({"total":6,"absent_bound":0,"top":[{"value":"b\"","count":3,"error":0},)"
                       R"({"value":"a","count":2,"error":0}]})");
}
