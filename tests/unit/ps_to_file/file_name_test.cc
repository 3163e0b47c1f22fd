#include "ps_to_file/file_name.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace rivulet {
namespace {

// date -u -d @1331923247: Fri Mar 16 18:40:47 UTC 2012.
constexpr std::int64_t kFriday = 1'331'923'247;

std::string NameAt(std::string_view format, std::int64_t seconds, std::string_view message = "{}",
                   std::string_view suffix = "", std::uint64_t number = 0) {
  auto parsed = FileNameFormat::Parse(format, suffix);
  REQUIRE(parsed.ok());
  parsed->SetTime(seconds);
  return NumberedName(parsed->BaseOf(message), number, suffix);
}

TEST_CASE("file name: conversions are of strftime, in UTC") {
  CHECK(NameAt("clicks/%Y-%m-%d_%H.log", kFriday) == "clicks/2012-03-16_18.log");
  CHECK(NameAt("%j %a %b %y%% %T", kFriday) == "076 Fri Mar 12% 18:40:47");
  CHECK(NameAt("plain", kFriday) == "plain");
  CHECK(NameAt("%Y%m%d", 0) == "19700101");
}

TEST_CASE("file name: a time key changes when the name does") {
  auto format = FileNameFormat::Parse("%H-{country}", "");
  REQUIRE(format.ok());
  CHECK(format->SetTime(kFriday));
  CHECK(format->time_key() == "18-{country}");
  CHECK_FALSE(format->SetTime(kFriday));
  CHECK_FALSE(format->SetTime(kFriday + 19 * 60));  // 18:59:47
  CHECK(format->SetTime(kFriday + 20 * 60));        // 19:00:47
  CHECK(format->time_key() == "19-{country}");
  CHECK(format->SetTime(kFriday));
}

TEST_CASE("file name: fields are of the message, made safe") {
  const std::string_view message =
      R"({"a":"x y","geo":{"country":"DE"},"dots":"..","v":-1.5,"t":true,"e":"","z":"%2F/"})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{a}", "x%20y"},       {"{geo.country}/{v}", "DE/-1.5"},
      {"{dots}/x", "%2E./x"}, {"{t}{e}", "truenone"},
      {"{geo}", "none"},      {"{absent}", "none"},
      {"{z}", "%252F%2F"},
  };
  for (const auto& row : cases) {
    const auto& format = row.first;
    const auto& name = row.second;
    CAPTURE(format);
    CHECK(NameAt(format, kFriday, message) == name);
  }
  CHECK(NameAt("{a}", kFriday, "no object") == "none");
  // No complete file has the name of a part file.
  CHECK(NameAt("{a}", kFriday, R"({"a":"x.part"})") == "x%2Epart");
  CHECK(NameAt("{a}.{b}", kFriday, R"({"a":"x","b":"part"})") == "x%2Epart");
  CHECK(NameAt("{a}", kFriday, R"({"a":"x.part"})", ".gz") == "x.part.gz");
  CHECK(NameAt("{a}", kFriday, R"({"a":"%Y{n}"})") == "%25Y%7Bn%7D");
}

TEST_CASE("file name: the text of a field is cut between bytes, not inside of one") {
  CHECK(SafeFieldText("abcdef", 4) == "abcd");
  CHECK(SafeFieldText("ab/cd", 4) == "ab");
  CHECK(SafeFieldText("ab/cd", 5) == "ab%2F");
  CHECK(SafeFieldText(std::string_view("\0\xff", 2), 100) == "%00%FF");
  const std::string long_text(300, 'x');
  // A hundred each, and what a name may have together.
  CHECK(NameAt("{a}", kFriday, R"({"a":")" + long_text + "\"}").size() == 100);
  CHECK(NameAt("{a}{a}{a}{a}", kFriday, R"({"a":")" + long_text + "\"}").size() == 220);
  CHECK(NameAt("{a}/{a}", kFriday, R"({"a":")" + long_text + "\"}").size() == 201);
}

TEST_CASE("file name: the number stands where it is said, or before the suffix") {
  CHECK(NameAt("log", kFriday, "", ".gz", 0) == "log.gz");
  CHECK(NameAt("log.gz", kFriday, "", ".gz", 0) == "log.gz");
  CHECK(NameAt("log.gz", kFriday, "", ".gz", 12) == "log.12.gz");
  CHECK(NameAt("log.txt", kFriday, "", "", 1) == "log.txt.1");
  CHECK(NameAt("log-{n}.txt", kFriday, "", ".zst", 0) == "log-0.txt.zst");
  CHECK(NameAt("{n}/{n}", kFriday, "", "", 7) == "7/7");
}

TEST_CASE("file name: the folder that all files are below") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a", "."},        {"a/b", "a"}, {"/a", "/"},         {"a/%Y/b", "a"},
      {"a/b{c}/d", "a"}, {"%Y", "."},  {"/a/b/{n}", "/a/b"}};
  for (const auto& row : cases) {
    const auto& format = row.first;
    const auto& folder = row.second;
    CAPTURE(format);
    CHECK(FileNameFormat::Parse(format, "")->fixed_folder() == folder);
  }
}

TEST_CASE("file name: what is no name is refused") {
  for (const std::string format : {"", "-", "a/", "a%", "%Q", "%s", "%E", "a{", "a{}", "{b"}) {
    CAPTURE(format);
    CHECK(FileNameFormat::Parse(format, "").status().code() == StatusCode::kInvalidArgument);
  }
  CHECK_FALSE(FileNameFormat::Parse(std::string(221, 'a'), "").ok());
  CHECK_FALSE(FileNameFormat::Parse(std::string(215, 'a') + "{b}", "").ok());
  CHECK(FileNameFormat::Parse(std::string(220, 'a') + "/" + std::string(220, 'b'), "").ok());
}

}  // namespace
}  // namespace rivulet
