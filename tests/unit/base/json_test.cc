#include "base/json.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

using namespace rivulet;

namespace {

std::string Repeat(std::string_view unit, std::size_t times) {
  std::string out(unit);
  out.reserve(unit.size() * times);
  // By doubling: some of what is repeated becomes 64 MiB.
  while (out.size() < unit.size() * times) {
    out.append(out, 0, std::min(out.size(), unit.size() * times - out.size()));
  }
  return times == 0 ? std::string() : out;
}

// The escapes of the table of hostile documents: \xHH \n \r \t \\ and {S*N}, which nests.
std::string Unescape(std::string_view text, std::size_t* at, bool nested) {
  std::string out;
  while (*at < text.size()) {
    const char c = text[(*at)++];
    if (nested && c == '*') {
      std::size_t end = *at;
      while (end < text.size() && text[end] != '}') ++end;
      const auto times = std::stoul(std::string(text.substr(*at, end - *at)));
      *at = end + 1;
      return Repeat(out, times);
    }
    if (c == '{') {
      out += Unescape(text, at, true);
    } else if (c == '\\' && *at < text.size()) {
      const char kind = text[(*at)++];
      if (kind == 'x') {
        out += static_cast<char>(std::stoi(std::string(text.substr(*at, 2)), nullptr, 16));
        *at += 2;
      } else {
        out += kind == 'n' ? '\n' : kind == 'r' ? '\r' : kind == 't' ? '\t' : kind;
      }
    } else {
      out += c;
    }
  }
  return out;
}

// What a parser must do with each document of the shared table, by its `expected` column; "" where
// the row is no matter for a parser alone.
struct Verdict {
  const char* id;
  bool accepted;
};
constexpr Verdict kVerdicts[] = {{"depth-64", true},
                                 {"depth-65", false},
                                 {"depth-1m-open", false},
                                 {"depth-100k-closed", false},
                                 {"obj-depth-mix", false},
                                 {"nan", false},
                                 {"inf", false},
                                 {"num-1e999", false},
                                 {"num-1e-999", true},
                                 {"num-400-digits", false},
                                 {"num-2p64", true},
                                 {"num-2p53+1", true},
                                 {"num-neg-zero", true},
                                 {"num-lead-zero", false},
                                 {"num-plus", false},
                                 {"num-hex", false},
                                 {"num-trail-dot", false},
                                 {"utf8-ff", false},
                                 {"utf8-overlong", false},
                                 {"utf8-surrogate", false},
                                 {"utf8-above-10ffff", false},
                                 {"utf8-truncated", false},
                                 {"esc-lone-high", false},
                                 {"esc-lone-low", false},
                                 {"esc-high-nonlow", false},
                                 {"esc-pair", true},
                                 {"esc-nul-value", true},
                                 {"esc-nul-key", false},
                                 {"raw-nul-tail", false},
                                 {"raw-nul-in-string", false},
                                 {"raw-control", false},
                                 {"raw-newline", false},
                                 {"two-docs", false},
                                 {"trailing-comma", false},
                                 {"comment", false},
                                 {"single-quote", false},
                                 {"bom", false},
                                 {"utf16", false},
                                 {"empty", false},
                                 {"string-64m", true},
                                 {"million-objs", false},
                                 {"million-keys", false},
                                 {"long-key-1m", false},
                                 {"proto-key", true},
                                 {"newline-delimited", false},
                                 {"sse-inject", true},
                                 {"crlf-event-name", true},
                                 {"html", true},
                                 {"dup-keys", true},
                                 {"dup-keys-escaped", true},
                                 {"scalar-root", true}};

std::string Serialised(const JsonDocument& document) {
  std::string out;
  AppendJson(&out, document.root());
  return out;
}

std::string RoundTrip(std::string_view text) {
  JsonDocument document;
  const Status status = document.Parse(text);
  return status.ok() ? Serialised(document) : status.message();
}

}  // namespace

TEST_CASE("json: the shared table of hostile documents gives the expected outcomes") {
  const char* shared = std::getenv("RIVULET_SHARED");
  std::ifstream file(std::string(shared != nullptr ? shared : "../shared") +
                     "/hostile/json_hostile.tsv");
  if (!file) {
    MESSAGE("skipped: no ../shared/hostile/json_hostile.tsv (or RIVULET_SHARED)");
    return;
  }
  JsonDocument document;
  std::string line;
  std::getline(file, line);  // the head
  std::size_t rows = 0;
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    std::string id;
    std::string escaped;
    std::getline(columns, id, '\t');
    std::getline(columns, escaped, '\t');
    CAPTURE(id);
    std::size_t at = 0;
    const std::string text = Unescape(escaped, &at, false);
    const auto* verdict = std::find_if(std::begin(kVerdicts), std::end(kVerdicts),
                                       [&id](const Verdict& v) { return v.id == id; });
    REQUIRE(verdict != std::end(kVerdicts));
    const Status status = document.Parse(text);
    CHECK_MESSAGE(status.ok() == verdict->accepted, status.message());
    if (!status.ok()) CHECK(document.root().IsNull());
    if (id.starts_with("dup-keys")) {
      CHECK_FALSE(document.Parse(text, {.refuse_duplicate_keys = true}).ok());
    }
    if (id == "scalar-root") CHECK_FALSE(document.Parse(text, {.require_object = true}).ok());
    ++rows;
  }
  CHECK(rows == std::size(kVerdicts));
}

TEST_CASE("json: what is wrong is named, with its byte") {
  struct Row {
    std::string text;
    const char* message;
  };
  const std::string nul("{}\0x", 4);
  for (const Row& row : std::vector<Row>{
           {"", "byte 0: there is no value"},
           {"  ", "byte 2: there is no value"},
           {"{\"a\":1 \"b\":2}", "byte 7: missing comma or }"},
           {"[1 2]", "byte 3: missing comma or ]"},
           {"{\"a\" 1}", "byte 5: missing colon after a key"},
           {"{a:1}", "byte 1: a key must be a string in double quotes"},
           {"[1] x", "byte 4: bytes after the value"},
           {"[1.]", "byte 3: a number must have a digit after its point"},
           {"[1e]", "byte 3: a number must have a digit in its exponent"},
           {"[1e999]", "byte 1: a number beyond the range of a double"},
           {"[-1e999]", "byte 1: a number beyond the range of a double"},
           {"[179769313486231580793e289]", "byte 1: a number beyond the range of a double"},
           {"\"abc", "byte 4: a string does not end"},
           {"[\"a\\ud800\"]", "byte 3: lone surrogate"},
           {nul, "byte 2: a raw NUL byte"},
           {"[\"\x1f\"]", "byte 2: a raw control byte"},
           {"\xef\xbb\xbf{}", "byte 0: a byte order mark"},
           {"[\"abcdefghij\xff\"]", "byte 12: not UTF-8"},
           {Repeat("[", 65), "byte 64: more than 64 levels of arrays and objects"}}) {
    CAPTURE(row.text);
    JsonDocument document;
    const Status status = document.Parse(row.text);
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message() == std::string("invalid JSON at ") + row.message);
    CHECK(document.root().IsNull());
  }
}

TEST_CASE("json: all control bytes in a string are refused, raw") {
  for (char c = 0; c < 0x20; ++c) {
    for (const std::size_t before : {0, 5, 40}) {
      JsonDocument document;
      CAPTURE(static_cast<int>(c));
      CHECK_FALSE(document.Parse("[\"" + std::string(before, 'x') + c + "\"]").ok());
    }
  }
}

// RFC 8259, section 6, and what IEEE 754 says of these texts.
TEST_CASE("json: numbers keep their value") {
  struct Row {
    const char* text;
    const char* again;
  };
  for (const Row& row : std::vector<Row>{{"0", "0"},
                                         {"-0", "0"},
                                         {"-0.0", "-0.0"},
                                         {"1.0", "1"},
                                         {"0.1", "0.1"},
                                         {"9007199254740993", "9007199254740993"},
                                         {"-9223372036854775808", "-9223372036854775808"},
                                         {"18446744073709551615", "18446744073709551615"},
                                         {"18446744073709551616", "18446744073709551616"},
                                         {"1E2", "100"},
                                         {"1e-999", "0"},
                                         {"5e-324", "5e-324"},
                                         {"1.7976931348623157e308", "1.7976931348623157e+308"},
                                         {"2.2250738585072011e-308", "2.225073858507201e-308"},
                                         {"0.30000000000000004", "0.30000000000000004"}}) {
    CAPTURE(row.text);
    CHECK(RoundTrip(row.text) == row.again);
  }
}

TEST_CASE("json: doubles are read to the nearest, as the C library does") {
  JsonDocument document;
  for (const char* text : {"0.1", "3.14159265358979323846", "1e23", "8.41e21", "9.5e-5",
                           "-70.954903", "123456789.123456789", "2.2250738585072014e-308", "1e-310",
                           "0.000000000000000000000000000001"}) {
    CAPTURE(text);
    REQUIRE(document.Parse(text).ok());
    CHECK(document.root().GetDouble() == std::strtod(text, nullptr));
  }
}

TEST_CASE("json: strings are decoded and keep their NULs") {
  JsonDocument document;
  REQUIRE(document
              .Parse(R"(["a\u0000b","\ud83d\ude00\u00e9\n\/","caf)"
                     "\xc3\xa9\"]")
              .ok());
  CHECK(JsonText(document.root()[0]) == std::string_view("a\0b", 3));
  CHECK(JsonText(document.root()[1]) == "\xf0\x9f\x98\x80\xc3\xa9\n/");
  CHECK(JsonText(document.root()[2]) == "caf\xc3\xa9");
  CHECK(Serialised(document) == "[\"a\\u0000b\",\"\xf0\x9f\x98\x80\xc3\xa9\\n/\",\"caf\xc3\xa9\"]");
}

TEST_CASE("json: a lone low surrogate is refused wherever it stands") {
  for (const char* text : {R"(["\udc00"])", R"({"\udfff":1})", R"(["ok",{"a":"x\uDC00y"}])",
                           R"("\ud83d\ud83d")", R"("\ud83d")", R"("\ude00\ud83d")"}) {
    CAPTURE(text);
    JsonDocument document;
    CHECK_FALSE(document.Parse(text).ok());
  }
}

TEST_CASE("json: size limits are told apart from syntax") {
  JsonDocument document;
  CHECK(document.Parse("[" + Repeat("0,", kJsonMaxValues - 2) + "0]").ok());
  CHECK(document.Parse("[" + Repeat("0,", kJsonMaxValues - 1) + "0]").code() ==
        StatusCode::kTooLarge);
  CHECK(document.Parse("{\"" + std::string(kJsonMaxKeyBytes, 'k') + "\":1}").ok());
  CHECK(document.Parse("{\"" + std::string(kJsonMaxKeyBytes + 1, 'k') + "\":1}").code() ==
        StatusCode::kTooLarge);
  CHECK(document.Parse("[1]").ok());
}

TEST_CASE("json: control messages may refuse repeated keys and roots that are no object") {
  const JsonLimits strict{.refuse_duplicate_keys = true, .require_object = true};
  JsonDocument document;
  CHECK(document.Parse(R"({"a":1,"b":{"a":2}})", strict).ok());
  CHECK(document.Parse(R"({"b":[{"x":1,"\u0078":2}]})", strict).message() ==
        "invalid JSON: the key \"x\" appears twice");
  CHECK(document.root().IsNull());
  CHECK(document.Parse("[]", strict).message() == "invalid JSON: must be an object");
  REQUIRE(document.Parse(R"({"a":1,"a":2})").ok());
  CHECK(JsonNumber(FindMember(document.root(), "a")) == 1.0);
}

TEST_CASE("json: members are found by key and by path, a key with a dot first") {
  JsonDocument document;
  REQUIRE(document
              .Parse(R"({"geo":{"city":"Oslo","a.b":{"c":1}},"geo.city":"Rome","n":null,
                             "x.y":{"z":2},"":{"":3}})")
              .ok());
  const JsonValue& root = document.root();
  CHECK(JsonText(*FindPath(root, "geo.city")) == "Rome");
  CHECK(JsonNumber(FindPath(root, "geo.a.b.c")) == 1.0);
  CHECK(JsonNumber(FindPath(root, "x.y.z")) == 2.0);
  CHECK(JsonNumber(FindPath(root, ".")) == 3.0);
  CHECK(FindPath(root, "geo.country") == nullptr);
  CHECK(FindPath(root, "n.x") == nullptr);
  CHECK(FindPath(root, "geo.city.x") == nullptr);
  CHECK(FindMember(root["geo"]["city"], "x") == nullptr);
  CHECK(JsonNumber(FindMember(root, "n")) == std::nullopt);
  CHECK(JsonNumber(nullptr) == std::nullopt);
}

TEST_CASE("json: a document is reused, and moved with its values") {
  JsonDocument document;
  for (const std::size_t size : {10, 100000, 5000000, 10}) {
    REQUIRE(document
                .Parse("[\"" + std::string(size, 'x') + "\"," + Repeat("{\"a\":[1]},", size / 50) +
                       "7]")
                .ok());
    CHECK(document.root().Size() == size / 50 + 2);
    CHECK(document.root()[0].GetStringLength() == size);
  }
  const JsonDocument moved = std::move(document);
  CHECK(Serialised(moved) == "[\"xxxxxxxxxx\",7]");
}

TEST_CASE("json: values may be added with the document's allocator") {
  JsonDocument document;
  REQUIRE(document.Parse("{}").ok());
  JsonValue name("count", document.allocator());
  document.root().AddMember(name, JsonValue(5), document.allocator());
  CHECK(Serialised(document) == "{\"count\":5}");
}

TEST_CASE("json: any bytes become a string that parses") {
  struct Row {
    std::string_view text;
    const char* expected;
  };
  for (const Row& row :
       std::vector<Row>{{"", "\"\""},
                        {"plain", "\"plain\""},
                        {"a\"b\\c", "\"a\\\"b\\\\c\""},
                        {"\n\r\t\b\f\x01", "\"\\n\\r\\t\\b\\f\\u0001\""},
                        {{"\0", 1}, "\"\\u0000\""},
                        {"\xc3\xa9", "\"\xc3\xa9\""},
                        {"a\xff", "\"a\xef\xbf\xbd\""},
                        {"\xc3", "\"\xef\xbf\xbd\""},
                        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}}) {
    std::string out;
    AppendJsonString(&out, row.text);
    CHECK(out == row.expected);
    JsonDocument document;
    CHECK(document.Parse(out).ok());
  }
}

TEST_CASE("json: numbers are written short and exact; what is no number as null") {
  struct Row {
    double value;
    const char* expected;
  };
  for (const Row& row :
       {Row{0, "0"}, Row{-0.0, "-0.0"}, Row{42, "42"}, Row{-1.5, "-1.5"}, Row{0.1, "0.1"},
        Row{9007199254740992, "9007199254740992"}, Row{1e300, "1e+300"},
        Row{std::numeric_limits<double>::quiet_NaN(), "null"},
        Row{std::numeric_limits<double>::infinity(), "null"}}) {
    std::string out;
    AppendJsonNumber(&out, row.value);
    CHECK(out == row.expected);
  }
}

// The table of RFC 3629, section 4, and its edges.
TEST_CASE("json: UTF-8 is what RFC 3629 says") {
  for (const char* text :
       {"", "ascii only", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CAPTURE(text);
    CHECK(IsValidUtf8(text));
    CHECK(IsValidUtf8("1234567" + std::string(text) + "12345678"));
  }
  for (const char* text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe2\x82",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff", "\xfe"}) {
    CAPTURE(text);
    CHECK_FALSE(IsValidUtf8(text));
    CHECK(FindInvalidUtf8("12345678" + std::string(text)) == 8);
  }
}
