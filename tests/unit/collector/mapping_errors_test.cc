// What is wrong in a mapping is said with its line, and what would be right.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "collector/mapping.h"

namespace rivulet {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto mapping = Mapping::Parse(text, "shop.map");
  return mapping.ok() ? "no error" : mapping.status().message();
}

TEST_CASE("mapping: errors name file, line, what is wrong and what would be right") {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"a = type\nb = locaton", "shop.map:2: unknown source 'locaton'; did you mean 'location'?"},
      {"b = locaton.path.2",
       "shop.map:1: unknown source 'locaton.path.2'; did you mean 'location.path.2'?"},
      {"\n\n b = location.fragmnt",
       "shop.map:3: unknown source 'location.fragmnt'; did you mean 'location.fragment'?"},
      {"b = viewport.with",
       "shop.map:1: unknown source 'viewport.with'; did you mean "
       "'viewport.width'?"},
      {"b = location.xyz",
       "shop.map:1: unknown source 'location.xyz'; behind the point stands "
       "scheme, host, port, path, query, fragment"},
      {"b = click", "shop.map:1: unknown source 'click'; must be one of type, party"},
      {"b = click", "(a text stands in quotes)"},
      {"b = location.path.0",
       "'location.path.0': behind 'path.' stands the number of a segment, 1 "
       "to 100"},
      {"b = location.path.x", "the number of a segment"},
      {"b = referer.query.", "behind 'query.' stands the name of a parameter"},
      {"b = param.", "behind 'param.' stands the name of a parameter"},
      {"b = param..x", "'param..x': behind 'param.' stands the name of a parameter, and"},
      {"b = param.x.", "'param.x.': behind 'param.' stands the name of a parameter, and"},
      {"b = type or \"x\" or \"y\"", "behind 'or' stands one value alone, and no second 'or'"},
      {"b = type as numbr",
       "behind 'as' stands text, number, integer, boolean or json, and not "
       "'numbr'; did you mean 'number'?"},
      {"b = type as", "and not the line's end"},
      {"b = type or none", "'none' must be a text in quotes, a number, true or false"},
      {"b = type or", "the line's end must be a text in quotes"},
      {"b = 01", "the number '01' must be as in JSON, like 3, -0.5 or 1e6"},
      {"b = 1e999", "the number '1e999' must be"},
      {"b = .5", "the number '.5' must be"},
      {"b = +5", "the number '+5' must be"},
      {"b = 5 as text", "shop.map:1: the statement ends before 'as'"},
      {"b = \"x", "the text '\"x' has no closing '\"'"},
      {"b = \"\\x\"", "must be as in JSON"},
      {"b = \"\\ud800\"", "must be as in JSON"},
      {"b = type = party", "the statement ends before '='"},
      {"b = (type)", "behind '=' stands a source or a value, and not '('"},
      {"b =", "behind '=' stands a source or a value, and not the line's end"},
      {"b",
       "a line must be FIELD = SOURCE, when CONDITION, end, drop when CONDITION or keep when "
       "CONDITION, and not begin with 'b' the line's end"},
      {"wehn type is x\nend", "; did you mean 'when'?"},
      {"= type", "and not begin with '='"},
      {"a b = type", "and not begin with 'a' 'b'"},
      {"a. = type", "the field 'a.' must be at most 8 names with points between, each 1 to 64"},
      {"a..b = type", "the field 'a..b' must be"},
      {"a/b = type", "the field 'a/b' must be"},
      {"\"a\" = type", "the field '' must be"},
      {"a.b.c.d.e.f.g.h.i = type", "at most 8 names"},
      {"a = type\nb = type\na = party", "shop.map:3: the field 'a' is set in line 1 too"},
      {"when bot\na = 1\n\na = 2\nend", "shop.map:4: the field 'a' is set in line 2 too"},
      {"a = 1\na.b = 2",
       "shop.map:2: the field 'a' would be a value and an object: line 1 made it "
       "a value"},
      {"x.a.b = 1\nwhen bot\nx.a = 2\nend",
       "shop.map:3: the field 'x.a' would be a value and an object: line 1 made it an object"},
      {"x.a = 1\nx.a.b.c = 2", "the field 'x.a' would be a value and an object"},
      {"a = 1\nwhen bot\nwhen duplicate\nend", "shop.map:2: this 'when' has no 'end'"},
      {"a = 1\nend", "shop.map:2: this 'end' has no 'when'"},
      {"a = 1\nwhen bot\nend when", "the statement ends before 'when'"},
      {"drop", "'drop' alone would drop every event; 'drop when CONDITION' is meant"},
      {"drop bot", "behind 'drop' stands 'when CONDITION', and not 'bot'"},
      {"keep", "behind 'keep' stands 'when CONDITION', and not the line's end"},
      {"when",
       "a condition begins with a source, as in 'type is click', and not with the line's "
       "end"},
      {"when type",
       "behind 'type' stands 'is', 'is not', 'begins with', 'contains' or 'exists', "
       "and not the line's end"},
      {"when type = x", "behind 'type' stands"},
      {"when tipe is x", "unknown source 'tipe'; did you mean 'type'?"},
      {"when type is", "a value must be a word or a text in quotes, and not the line's end"},
      {"when type is not", "a value must be"},
      {"\nwhen param.x is 3, 1e400",
       "shop.map:2: the number '1e400' must be one that a 64-bit float holds: 0, or from 4.9e-324 "
       "to 1.7e308"},
      {"when param.x is not -1e400", "the number '-1e400' must be"},
      {"when param.x begins with 1e-400", "the number '1e-400' must be"},
      {"when type is a,", "a value must be"},
      {"when type is and bot", "a value is missing before 'and'; as a value it stands in quotes"},
      {"when type begins x", "behind 'begins' stands 'with', and not 'x'"},
      {"when type begins with \"\"", "'exists' asks"},
      {"when (bot", "a '(' must be closed by ')' before the line's end"},
      {"when bot)", "the statement ends before ')'"},
      {"when bot and", "a condition begins with a source"},
      {"when not", "a condition begins with a source"},
      {"a = type\x01", "byte 9 of the line is the control byte 0x01"},
      {"a = \"\xff\"", "byte 6 of the line is not UTF-8"},
      {"", "shop.map:0: the mapping sets no field; 'type = type' would be one"},
      {"# nothing\n", "the mapping sets no field"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const std::string error = ErrorOf(c.text);
    CHECK_MESSAGE(error.find(c.error) != std::string::npos, error);
    CHECK(error.starts_with("shop.map:"));
    CHECK(error.find('\n') == std::string::npos);
  }
}

TEST_CASE("mapping: a byte order mark is skipped") {
  CHECK(ErrorOf("\xEF\xBB\xBF# a comment\na = type\n") == "no error");
}

TEST_CASE("mapping: NUL is a control byte") {
  CHECK(ErrorOf(std::string_view("a = type\0", 9)).find("0x00") != std::string::npos);
}

TEST_CASE("mapping: what is too much is refused where it begins") {
  std::string text;
  for (int i = 0; i < 1001; ++i) text += fmt::format("f{} = type\n", i);
  CHECK(ErrorOf(text) == "shop.map:1001: more than 1000 fields in a mapping");
  CHECK(ErrorOf(std::string(65537, '#')) ==
        "shop.map: a mapping must be at most 65536 bytes, and not 65537");
  CHECK(ErrorOf("a = type\n" + std::string(60000, '#')) == "no error");

  const auto blocks = [](int depth) {
    std::string nested = "a = 1\n";
    for (int i = 0; i < depth; ++i) nested += "when bot\n";
    for (int i = 0; i < depth; ++i) nested += "end\n";
    return nested;
  };
  CHECK(ErrorOf(blocks(8)) == "no error");
  CHECK(ErrorOf(blocks(9)) == "shop.map:10: more than 8 'when' within each other");

  // Neither the parser's stack nor that of who asks grows with the text.
  for (const std::string_view part : {"not ", "("}) {
    std::string condition = "when ";
    for (int i = 0; i < 10000; ++i) condition += part;
    CHECK(ErrorOf(condition + "bot").find("more than 32 'not' and '('") != std::string::npos);
  }
  std::string chain = "drop when bot";
  for (int i = 0; i < 5000; ++i) chain += " or bot";
  CHECK(ErrorOf(chain).find("more than 32 conditions between 'or'") != std::string::npos);
  CHECK(ErrorOf("a." + std::string(65, 'x') + " = type").find("each 1 to 64") != std::string::npos);
}

TEST_CASE("mapping: a long word is cut in a message") {
  const std::string error = ErrorOf("a = " + std::string(5000, 'x'));
  CHECK(error.find("xxx...' (5000 bytes)") != std::string::npos);
  CHECK(error.size() < 600);
}

}  // namespace
}  // namespace rivulet
