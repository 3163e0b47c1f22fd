#include "base/options.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/log_options.h"
#include "base/process.h"
#include "base/version.h"

using namespace rivulet;
using namespace std::chrono_literals;

namespace {

std::string TempName() {
  char name[] = "/tmp/rivulet_options_XXXXXX";
  close(mkstemp(name));
  return name;
}

class TempFile {
 public:
  explicit TempFile(const std::string& content) : path_(TempName()) {
    std::ofstream(path_) << content;
  }
  ~TempFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What the process prints on a descriptor while `act` runs.
template <typename Act>
std::string Captured(int fd, Act act) {
  const std::string path = TempName();
  std::fflush(nullptr);
  const int kept = dup(fd);
  const int file = open(path.c_str(), O_WRONLY | O_TRUNC);
  dup2(file, fd);
  act();
  std::fflush(nullptr);
  dup2(kept, fd);
  close(file);
  close(kept);
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  unlink(path.c_str());
  return text.str();
}

// A program with an option of each kind.
struct Program {
  bool flag = false;
  bool on = true;
  std::string text = "hello";
  std::string choice = "a";
  std::string checked;
  std::vector<std::string> many = {"default"};
  std::uint64_t count = 10;
  std::uint64_t plain = 3;
  double real = 0.5;
  std::uint64_t size = 65536;
  Duration time = 90s;
  Options options{"prog", "does things"};

  Program() {
    options.Uint("count", &count, "how many").Range(1, 100);
    options.Uint("plain", &plain, "any number").Metavar("NUMBER");
    options.Flag("flag", &flag, "turns it on");
    options.Section("Second");
    options.Flag("on", &on, "is on");
    options.Text("text", &text, "some text").Metavar("WORDS");
    options.Text("choice", &choice, "one of few").OneOf({"a", "b", "c"});
    options.Text("checked", &checked, "checked").Check([](const std::string& value) -> Status {
      if (value == "right") return {};
      return InvalidArgument("the word 'right'");
    });
    options.Texts("many", &many, "several");
    options.Real("real", &real, "a fraction").Range(0, 1);
    options.Bytes("size", &size, "a size").Range(1024, 1048576);
    options.Time("time", &time, "a time");
    options.Epilog("Examples:\n  prog --count=3");
  }

  std::optional<int> Parse(std::vector<const char*> words) {
    words.insert(words.begin(), "prog");
    return options.Parse(static_cast<int>(words.size()), words.data());
  }
};

struct Outcome {
  std::optional<int> code;
  std::string err;
};

Outcome Refused(std::vector<const char*> words) {
  Program program;
  Outcome outcome;
  outcome.err = Captured(STDERR_FILENO, [&] { outcome.code = program.Parse(std::move(words)); });
  return outcome;
}

}  // namespace

TEST_CASE("options: without words the variables keep their values") {
  Program program;
  CHECK(program.Parse({}) == std::nullopt);
  CHECK(program.count == 10);
  CHECK(program.text == "hello");
  CHECK(program.many == std::vector<std::string>{"default"});
  CHECK_FALSE(program.options.given("count"));
}

TEST_CASE("options: values follow an equals sign or a space") {
  Program program;
  CHECK(program.Parse({"--count=7", "--text", "two words", "--flag", "--on=false", "--real", "0.25",
                       "--size=1MiB", "--time=250ms", "--many=x", "--many", "y", "--choice=b",
                       "--checked=right", "--plain", "18446744073709551615"}) == std::nullopt);
  CHECK(program.count == 7);
  CHECK(program.text == "two words");
  CHECK(program.flag);
  CHECK_FALSE(program.on);
  CHECK(program.real == 0.25);
  CHECK(program.size == 1048576);
  CHECK(program.time == 250ms);
  CHECK(program.many == std::vector<std::string>{"x", "y"});
  CHECK(program.choice == "b");
  CHECK(program.checked == "right");
  CHECK(program.plain == 18446744073709551615U);
  CHECK(program.options.given("count"));
  CHECK_FALSE(program.options.given("config"));
}

TEST_CASE("options: a value may hold equals signs, be empty, a dash, or a negative number") {
  Program program;
  CHECK(program.Parse({"--text=a=b", "--many=", "--many", "-", "--many=--x"}) == std::nullopt);
  CHECK(program.text == "a=b");
  CHECK(program.many == std::vector<std::string>{"", "-", "--x"});
}

TEST_CASE("options: the last of a repeated option wins") {
  Program program;
  CHECK(program.Parse({"--count=7", "--count=8"}) == std::nullopt);
  CHECK(program.count == 8);
}

TEST_CASE("options: a wrong one prints one exact line and ends with 2") {
  struct Row {
    std::vector<const char*> words;
    const char* line;
  };
  for (const Row& row : std::vector<Row>{
           {{"--count=0"}, "--count=0: must be a whole number from 1 to 100"},
           {{"--count=101"}, "--count=101: must be a whole number from 1 to 100"},
           {{"--count", "ten"}, "--count=ten: must be a whole number from 1 to 100"},
           {{"--count="}, "--count=: must be a whole number from 1 to 100"},
           {{"--count=-1"}, "--count=-1: must be a whole number from 1 to 100"},
           {{"--plain=1.5"}, "--plain=1.5: must be a whole number"},
           {{"--plain=99999999999999999999"},
            "--plain=99999999999999999999: must be at most 18446744073709551615"},
           {{"--real=2"}, "--real=2: must be a number from 0 to 1"},
           {{"--real=nan"}, "--real=nan: must be a number from 0 to 1"},
           {{"--size=1"}, "--size=1: must be a size from 1KiB to 1MiB"},
           {{"--size=big"}, "--size=big: must be a size from 1KiB to 1MiB"},
           {{"--time=1x"}, "--time=1x: must be a duration such as 10s, 250ms, 5m, 1h or 2d"},
           {{"--choice=d"}, "--choice=d: must be one of a, b, c"},
           {{"--checked=wrong"}, "--checked=wrong: must be the word 'right'"},
           {{"--flag=maybe"}, "--flag=maybe: must be true or false"},
           {{"--text"}, "--text: must be followed by a value: --text=WORDS"},
           {{"--text", "--flag"}, "--text: must be followed by a value: --text=WORDS"},
           {{"--cuont=3"},
            "--cuont=3: unknown option: must be one that --help lists; did you mean --count?"},
           {{"--pla"},
            "--pla: unknown option: must be one that --help lists; did you mean --plain?"},
           {{"--zzzzzz"}, "--zzzzzz: unknown option: must be one that --help lists"},
           {{"-h"}, "-h: unknown option: must be one that --help lists"},
           {{"-help"},
            "-help: unknown option: must be one that --help lists; did you mean --help?"},
           {{"--help=1"},
            "--help=1: unknown option: must be one that --help lists; did you mean --help?"},
           {{"word"}, "word: must be an option, --name=VALUE; there are no arguments"},
           {{"--"}, "--: must be an option, --name=VALUE; there are no arguments"},
           {{""}, ": must be an option, --name=VALUE; there are no arguments"},
           {{"--choice=a\nb\x1b"}, "--choice=a\\nb\\x1b: must be one of a, b, c"}}) {
    CAPTURE(row.line);
    const Outcome outcome = Refused(row.words);
    CHECK(outcome.code == 2);
    CHECK(outcome.err == std::string("prog: ") + row.line + "\n");
  }
}

TEST_CASE("options: a wrong value leaves the variable as it was") {
  Program program;
  Captured(STDERR_FILENO, [&] { CHECK(program.Parse({"--count=500"}) == 2); });
  CHECK(program.count == 10);
}

TEST_CASE("options: a required one must be given") {
  std::string url;
  Options options("prog", "does things");
  options.Text("url", &url, "where from").Metavar("URL").Required();
  const char* argv[] = {"prog"};
  const std::string err = Captured(STDERR_FILENO, [&] { CHECK(options.Parse(1, argv) == 2); });
  CHECK(err == "prog: --url=URL must be given: where from\n");
}

TEST_CASE("options: declared arguments are given in their order, among options") {
  std::string command;
  std::string folder;
  bool quiet = false;
  Options options("prog", "does things");
  options.Argument("COMMAND", &command, "what to do").OneOf({"look", "count"});
  options.Argument("DIR", &folder, "where");
  options.Flag("quiet", &quiet, "says nothing");
  const char* argv[] = {"prog", "look", "--quiet", "/tmp"};
  CHECK(options.Parse(4, argv) == std::nullopt);
  CHECK(command == "look");
  CHECK(folder == "/tmp");
  CHECK(quiet);
  CHECK(options.HelpText().starts_with(
      "prog - does things\n\nusage: prog [--NAME=VALUE]... COMMAND DIR\n\nArguments:\n"
      "  COMMAND                   what to do (one of look, count)\n"
      "  DIR                       where\n"));
}

TEST_CASE("options: an argument that is missing, wrong or too many is named") {
  struct Case {
    std::vector<const char*> words;
    const char* line;
  };
  for (const Case& row : std::vector<Case>{
           {{}, "COMMAND must be given: prog COMMAND DIR"},
           {{"look"}, "DIR must be given: prog COMMAND DIR"},
           {{"jump", "/tmp"}, "COMMAND jump: must be one of look, count"},
           {{"look", "/tmp", "x\n"}, "x\\n: one argument too many: must be prog COMMAND DIR"},
           {{"look", "--dir=/tmp"}, "--dir=/tmp: unknown option: must be one that --help lists"}}) {
    CAPTURE(row.line);
    std::string command;
    std::string folder;
    Options options("prog", "does things");
    options.Argument("COMMAND", &command, "what to do").OneOf({"look", "count"});
    options.Argument("DIR", &folder, "where");
    std::vector<const char*> words = row.words;
    words.insert(words.begin(), "prog");
    const std::string err = Captured(STDERR_FILENO, [&] {
      CHECK(options.Parse(static_cast<int>(words.size()), words.data()) == 2);
    });
    CHECK(err == std::string("prog: ") + row.line + "\n");
  }
}

TEST_CASE("options: --version prints program and version on standard output") {
  Program program;
  std::optional<int> code;
  const std::string out = Captured(STDOUT_FILENO, [&] { code = program.Parse({"--version"}); });
  CHECK(code == 0);
  CHECK(out == std::string("prog ") + kVersion + "\n");
}

TEST_CASE("options: --help teaches, by section and alphabet, with defaults and ranges") {
  Program program;
  program.count = 99;  // the default is what stood there when it was declared
  std::optional<int> code;
  const std::string out = Captured(STDOUT_FILENO, [&] { code = program.Parse({"--help"}); });
  CHECK(code == 0);
  CHECK(out == program.options.HelpText());
  CHECK(out ==
        R"(prog - does things

usage: prog [--NAME=VALUE]...

Options:
  --count=N                 how many (1 to 100; default: 10)
  --flag                    turns it on
  --plain=NUMBER            any number (default: 3)

Second:
  --checked=TEXT            checked
  --choice=TEXT             one of few (one of a, b, c; default: a)
  --many=TEXT               several (may be repeated; default: default)
  --on                      is on (default: true)
  --real=X                  a fraction (0 to 1; default: 0.5)
  --size=SIZE               a size (1KiB to 1MiB; default: 64KiB)
  --text=WORDS              some text (default: hello)
  --time=TIME               a time (default: 90s)

General:
  --config=FILE             read options from FILE: lines of name = value; the
                            command line wins
  --help                    show this text and exit
  --version                 show the version and exit

Examples:
  prog --count=3
)");
}

TEST_CASE("options: a config file sets what the command line does not") {
  const TempFile config(
      "# a comment\n"
      "\n"
      "count = 20\r\n"
      "  text =  spaces inside  \n"
      "flag=true\n"
      "many = one\n"
      "many = two = 2\n"
      "time=5m");
  Program program;
  CHECK(program.Parse({"--count=30", "--config", config.path().c_str()}) == std::nullopt);
  CHECK(program.count == 30);
  CHECK(program.text == "spaces inside");
  CHECK(program.flag);
  CHECK(program.many == std::vector<std::string>{"one", "two = 2"});
  CHECK(program.time == 5min);
  CHECK(program.options.given("flag"));
}

TEST_CASE("options: repeatable ones on the command line replace those of the config file") {
  const TempFile config("many = one\n");
  Program program;
  CHECK(program.Parse({("--config=" + config.path()).c_str(), "--many=two"}) == std::nullopt);
  CHECK(program.many == std::vector<std::string>{"two"});
}

TEST_CASE("options: names in a config file take dashes or underscores") {
  std::uint64_t depth = 0;
  std::uint64_t bytes = 0;
  Options options("prog", "does things");
  options.Uint("max-depth", &depth, "d");
  options.Uint("max-bytes", &bytes, "b");
  const TempFile config("max_depth = 3\nmax-bytes = 4\n");
  const std::string word = "--config=" + config.path();
  const char* argv[] = {"prog", word.c_str()};
  CHECK(options.Parse(2, argv) == std::nullopt);
  CHECK(depth == 3);
  CHECK(bytes == 4);
}

TEST_CASE("options: what is wrong in a config file is named with file and line, and ends with 2") {
  struct Row {
    const char* content;
    const char* line;
  };
  for (const Row& row : std::vector<Row>{
           {"# x\ncount = 0\n", ":2: count = 0: must be a whole number from 1 to 100"},
           {"count 3\n", ":1: count 3: must be name = value"},
           {"no_such = 1\n", ":1: no_such: unknown option: must be one that --help lists"},
           {"coutn = 1\n",
            ":1: coutn: unknown option: must be one that --help lists; did you mean count?"},
           {"flag = yes\n", ":1: flag = yes: must be true or false"},
           {"config = other\n", ":1: config: unknown option: must be one that --help lists"}}) {
    CAPTURE(row.line);
    const TempFile config(row.content);
    const std::string word = "--config=" + config.path();
    const Outcome outcome = Refused({word.c_str()});
    CHECK(outcome.code == 2);
    CHECK(outcome.err == "prog: " + config.path() + row.line + "\n");
  }
}

TEST_CASE("options: a config file that cannot be read ends with 1") {
  const Outcome missing = Refused({"--config=/nonexistent/x.conf"});
  CHECK(missing.code == 1);
  CHECK(missing.err ==
        "prog: --config=/nonexistent/x.conf: must be a readable file: No such file or directory\n");
  const Outcome directory = Refused({"--config=/tmp"});
  CHECK(directory.code == 1);
  CHECK(directory.err == "prog: --config=/tmp: must be a readable file: Is a directory\n");
}

TEST_CASE("options: Fail names the program and gives 2") {
  const Options options("prog", "does things");
  const std::string err =
      Captured(STDERR_FILENO, [&] { CHECK(options.Fail("--a needs --b") == 2); });
  CHECK(err == "prog: --a needs --b\n");
}

TEST_CASE("options: log and process options are declared with their defaults") {
  LogOptions log;
  ProcessConfig process;
  Options options("prog", "does things");
  AddLogOptions(&options, &log);
  AddProcessOptions(&options, &process);
  const char* argv[] = {"prog", "--log-format=json", "--log-level=error", "--root=/tmp",
                        "--daemon"};
  CHECK(options.Parse(5, argv) == std::nullopt);
  CHECK(log.format == "json");
  CHECK(log.level == "error");
  CHECK(process.root == "/tmp");
  CHECK(process.daemon);
}
