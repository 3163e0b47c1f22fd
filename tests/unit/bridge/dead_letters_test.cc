// The lines are those of the header of bridge/dead_letters.h, written out by hand.
#include "bridge/dead_letters.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "base/json.h"

namespace rivulet {
namespace {

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    for (const char* name : {"/dead", "/moved"}) unlink((path + name).c_str());
    rmdir(path.c_str());
  }
  std::string file(const char* name = "/dead") const { return path + name; }
  std::string path = "/tmp/rivulet_dead_XXXXXX";
};

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

TEST_CASE("dead letters: a line a message, in a file that is its owner's alone") {
  const Folder folder;
  const FakeClock clock;  // 2012-03-16T18:40:47Z
  auto letters = DeadLetters::Open(folder.file(), clock);
  REQUIRE(letters.ok());
  CHECK((*letters)->Add("POST http://h/put", "400 missing \"data\"", "a\nb\\").ok());
  CHECK((*letters)->Add("GET http://h/", "404", std::string_view("\xff\0\x01", 3)).ok());
  CHECK((*letters)->Add("GET http://h/", "404", "").ok());
  CHECK((*letters)->written() == 3);
  CHECK((*letters)->Sync().ok());
  CHECK(Content(folder.file()) ==
        "{\"time\":\"2012-03-16T18:40:47.000Z\",\"destination\":\"POST http://h/put\","
        "\"answer\":\"400 missing \\\"data\\\"\",\"message\":\"a\\nb\\\\\"}\n"
        "{\"time\":\"2012-03-16T18:40:47.000Z\",\"destination\":\"GET http://h/\","
        "\"answer\":\"404\",\"message_base64\":\"/wAB\"}\n"
        "{\"time\":\"2012-03-16T18:40:47.000Z\",\"destination\":\"GET http://h/\","
        "\"answer\":\"404\",\"message\":\"\"}\n");
  struct stat info {};
  REQUIRE(stat(folder.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("dead letters: a message of any byte can be read back from its line") {
  const Folder folder;
  const FakeClock clock;
  auto letters = DeadLetters::Open(folder.file(), clock);
  REQUIRE(letters.ok());
  std::string ascii;
  for (int byte = 0; byte < 128; ++byte) ascii += static_cast<char>(byte);
  const std::string answer(1000, 'a');
  REQUIRE((*letters)->Add("d", answer, ascii).ok());
  JsonDocument line;
  REQUIRE(line.Parse(Content(folder.file())).ok());
  CHECK(JsonText(*FindMember(line.root(), "message")) == ascii);
  CHECK(JsonText(*FindMember(line.root(), "answer")) == answer.substr(0, 200));
}

TEST_CASE("dead letters: an answer is not cut inside a character") {
  const Folder folder;
  const FakeClock clock;
  auto letters = DeadLetters::Open(folder.file(), clock);
  REQUIRE(letters.ok());
  REQUIRE((*letters)->Add("d", std::string(199, 'a') + "\xc3\xa9", "m").ok());
  JsonDocument line;
  REQUIRE(line.Parse(Content(folder.file())).ok());
  CHECK(JsonText(*FindMember(line.root(), "answer")) == std::string(199, 'a'));
}

TEST_CASE("dead letters: a line that a crash left unfinished is not continued") {
  const Folder folder;
  const FakeClock clock;
  std::ofstream(folder.file()) << "{\"time\":\"20";
  for (int i = 0; i < 2; ++i) {
    auto letters = DeadLetters::Open(folder.file(), clock);
    REQUIRE(letters.ok());
    REQUIRE((*letters)->Add("d", "404", "m").ok());
  }
  const std::string line =
      "{\"time\":\"2012-03-16T18:40:47.000Z\",\"destination\":\"d\",\"answer\":\"404\","
      "\"message\":\"m\"}\n";
  CHECK(Content(folder.file()) == "{\"time\":\"20\n" + line + line);
}

TEST_CASE("dead letters: after the file was moved away, a new one is begun") {
  const Folder folder;
  const FakeClock clock;
  auto letters = DeadLetters::Open(folder.file(), clock);
  REQUIRE(letters.ok());
  REQUIRE((*letters)->Add("d", "404", "one").ok());
  REQUIRE(std::rename(folder.file().c_str(), folder.file("/moved").c_str()) == 0);
  REQUIRE((*letters)->Add("d", "404", "two").ok());
  CHECK((*letters)->Reopen().ok());
  REQUIRE((*letters)->Add("d", "404", "three").ok());
  CHECK(Content(folder.file("/moved")).find("two") != std::string::npos);
  CHECK(Content(folder.file()).find("two") == std::string::npos);
  CHECK(Content(folder.file()).find("three") != std::string::npos);
}

TEST_CASE("dead letters: where they cannot be opened, the error names the file") {
  const FakeClock clock;
  const auto letters = DeadLetters::Open("/nowhere/at/all", clock);
  REQUIRE_FALSE(letters.ok());
  CHECK(letters.status().message() == "/nowhere/at/all: No such file or directory");
}

TEST_CASE("dead letters: of a line that does not fit nothing stays, and the next one may") {
  const Folder folder;
  const FakeClock clock;
  auto letters = DeadLetters::Open(folder.file(), clock);
  REQUIRE(letters.ok());
  REQUIRE((*letters)->Add("d", "404", "one").ok());
  const std::string before = Content(folder.file());
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  rlimit small = old;
  small.rlim_cur = before.size() + 10;
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto status = (*letters)->Add("d", "404", "two");
  REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
  signal(SIGXFSZ, old_handler);
  CHECK(status.code() == StatusCode::kIoError);
  CHECK(Content(folder.file()) == before);
  CHECK((*letters)->written() == 1);
  CHECK((*letters)->Add("d", "404", "three").ok());
  CHECK(Content(folder.file()).find("three") != std::string::npos);
}

}  // namespace
}  // namespace rivulet
