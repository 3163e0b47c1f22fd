#include "base/log.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/json.h"

using namespace rivulet;

namespace {

// A log in a file of its own; the process's log is standard error again when it goes.
class LogFile {
 public:
  explicit LogFile(bool json = false, LogLevel level = LogLevel::kInfo) {
    char name[] = "/tmp/rivulet_log_XXXXXX";
    close(mkstemp(name));
    path_ = name;
    REQUIRE(InitLog({"tester", json, level, path_}).ok());
  }
  ~LogFile() {
    CHECK(InitLog({}).ok());
    unlink(path_.c_str());
  }
  std::string Text() const {
    std::ostringstream out;
    out << std::ifstream(path_).rdbuf();
    return out.str();
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// `line` with each digit of a time made 0, so that it can be compared.
std::string Zeroed(std::string line) {
  for (std::size_t at = 0; (at = line.find('Z', at)) != std::string::npos; ++at) {
    if (at < 23) continue;
    for (std::size_t i = at - 23; i < at; ++i) {
      if (line[i] >= '0' && line[i] <= '9') line[i] = '0';
    }
  }
  return line;
}

const std::string kTime = "0000-00-00T00:00:00.000Z";

}  // namespace

TEST_CASE("log: a text line is time, level and message") {
  const LogFile log;
  LogInfo("queue {} made", "clicks");
  LogWarning("w");
  LogError("e");
  CHECK(Zeroed(log.Text()) ==
        kTime + " INFO queue clicks made\n" + kTime + " WARNING w\n" + kTime + " ERROR e\n");
}

TEST_CASE("log: lines below the level are not written") {
  const LogFile log(false, LogLevel::kWarning);
  LogDebug("debug");
  LogInfo("info");
  CHECK(log.Text().empty());
  CHECK_FALSE(LogEnabled(LogLevel::kInfo));
  CHECK(LogEnabled(LogLevel::kWarning));
  LogWarning("shown");
  CHECK(log.Text().find("shown") != std::string::npos);
}

TEST_CASE("log: a JSON line is an object with time, level, program and message") {
  const LogFile log(true);
  LogInfo("a \"b\" \n \xff");
  const std::string text = log.Text();
  JsonDocument document;
  REQUIRE(document.Parse(text).ok());
  CHECK(Zeroed(std::string(JsonText(*FindMember(document.root(), "time")))) == kTime);
  CHECK(JsonText(*FindMember(document.root(), "level")) == "info");
  CHECK(JsonText(*FindMember(document.root(), "program")) == "tester");
  CHECK(JsonText(*FindMember(document.root(), "message")) == "a \"b\" \\n \\xff");
  CHECK(text.find('\n') == text.size() - 1);
}

TEST_CASE("log: control bytes and what is not UTF-8 are escaped") {
  struct Row {
    std::string text;
    const char* expected;
  };
  for (const Row& row :
       {Row{"plain", "plain"}, Row{"a\nb\r\tc", "a\\nb\\r\\tc"}, Row{"\x1b[31m", "\\x1b[31m"},
        Row{std::string("\0", 1), "\\x00"}, Row{"\x7f", "\\x7f"}, Row{"C:\\n", "C:\\\\n"},
        Row{"\xff", "\\xff"}, Row{"caf\xc3\xa9", "caf\xc3\xa9"}, Row{"\xc3", "\\xc3"},
        Row{"\xed\xa0\x80", "\\xed\\xa0\\x80"}, Row{"", ""}}) {
    CHECK(EscapeControl(row.text) == row.expected);
  }
}

TEST_CASE("log: a message is cut at 1 KiB, between characters and escapes") {
  for (const std::string unit : {"x", "\xc3\xa9", "\n", "\xff", "\xf0\x9f\x98\x80"}) {
    const LogFile log;
    std::string message;
    while (message.size() < 5000) message += unit;
    LogInfo("{}", message);
    std::string text = log.Text();
    text = text.substr(text.find("INFO ") + 5);
    CHECK(text.size() <= 1025);
    CHECK(text.size() > 1015);
    CHECK(text.ends_with("...\n"));
    const std::string escaped = EscapeControl(unit);
    CHECK((text.size() - 4) % escaped.size() == 0);
    CHECK(IsValidUtf8(text));
  }
  const LogFile log;
  LogInfo("{}", std::string(1024, 'y'));
  CHECK(log.Text().find("...") == std::string::npos);
}

TEST_CASE("log: the file is opened again after it was moved") {
  const LogFile log;
  LogInfo("before");
  const std::string moved = log.path() + ".1";
  REQUIRE(rename(log.path().c_str(), moved.c_str()) == 0);
  LogInfo("into the old one");
  REQUIRE(ReopenLog().ok());
  LogInfo("after");
  CHECK(log.Text().find("after") != std::string::npos);
  CHECK(log.Text().find("before") == std::string::npos);
  unlink(moved.c_str());
}

TEST_CASE("log: a file that cannot be opened is named") {
  const Status status = InitLog({"tester", false, LogLevel::kInfo, "/nonexistent/x.log"});
  REQUIRE_FALSE(status.ok());
  CHECK(status.message() == "log file /nonexistent/x.log: No such file or directory");
}

TEST_CASE("log: levels have names") {
  CHECK(ParseLogLevel("debug").value() == LogLevel::kDebug);
  CHECK(ParseLogLevel("error").value() == LogLevel::kError);
  CHECK(ParseLogLevel("INFO").status().message() == "must be one of debug, info, warning, error");
}
