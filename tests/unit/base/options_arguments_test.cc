#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/options.h"

using namespace rivulet;

namespace {

struct Given {
  std::optional<int> code;
  std::string command;
  std::vector<std::string> files;
  bool flag = false;
  std::string help;
};

Given Parsed(std::vector<const char*> words) {
  Given given;
  Options options("prog", "does things");
  options.Flag("flag", &given.flag, "a flag");
  options.Argument("COMMAND", &given.command, "what to do");
  options.Arguments("FILE", &given.files, "to do it with");
  words.insert(words.begin(), "prog");
  given.code = options.Parse(static_cast<int>(words.size()), words.data());
  given.help = options.HelpText();
  return given;
}

}  // namespace

TEST_CASE("options: any number of words may follow the arguments, none included") {
  CHECK(Parsed({"look"}).code == std::nullopt);
  CHECK(Parsed({"look"}).files.empty());
  const Given given = Parsed({"look", "a", "-", "--flag", "b c"});
  CHECK(given.code == std::nullopt);
  CHECK(given.command == "look");
  CHECK(given.files == std::vector<std::string>{"a", "-", "b c"});
  CHECK(given.flag);
}

TEST_CASE("options: an argument that must be given is asked for before any number of words") {
  CHECK(Parsed({}).code == 2);
}

TEST_CASE("options: help says that a word may be given any number of times") {
  const Given given = Parsed({"look"});
  CHECK(given.help.find("usage: prog [--NAME=VALUE]... COMMAND [FILE]...\n") != std::string::npos);
}
