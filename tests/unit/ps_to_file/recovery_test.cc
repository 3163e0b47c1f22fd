#include "ps_to_file/recovery.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <string>

#include "tests/unit/journal/support.h"

namespace rivulet {
namespace {

using journal_test::FaultyDisk;
using journal_test::ReadFile;
using journal_test::TempFolder;
using journal_test::WriteFile;

struct Case {
  const char* what;
  const char* made = "none lines";
  const char* time_key = "T";
  std::uint64_t bytes = 0;
  bool due = false;
  const char* there = nullptr;  // in NAME.part
  std::map<std::string, std::string> left;
  bool goes_on = false;
};

TEST_CASE("recovery: a part file is as the state says, and goes on while its time does") {
  const Case cases[] = {
      {"goes on", "none lines", "T", 4, false, "one\n", {{"x.part", "one\n"}}, true},
      {"is cut", "none lines", "T", 4, false, "one\ntw", {{"x.part", "one\n"}}, true},
      {"time is over", "none lines", "S", 4, false, "one\ntw", {{"x", "one\n"}}, false},
      {"made otherwise", "gzip lines", "T", 4, false, "one\n", {{"x", "one\n"}}, false},
      {"is due", "none lines", "T", 4, true, "one\n", {{"x", "one\n"}}, false},
      {"was renamed", "none lines", "T", 4, true, nullptr, {}, false},
      {"was only named", "none lines", "T", 0, false, nullptr, {}, false},
      {"was only begun", "none lines", "T", 0, false, "on", {}, false},
      {"was removed", "none lines", "T", 4, false, nullptr, {}, false},
      {"lost its end", "none lines", "T", 4, false, "one", {{"x", "one"}}, false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.what);
    const TempFolder folder;
    FaultyDisk disk;
    disk.IgnoreSyncs();
    if (c.there != nullptr) WriteFile(folder.File("x.part"), c.there);
    WriteFile(folder.File("other.part"), "not ours");
    ArchiveState state;
    state.made = c.made;
    state.positions = {{"http://a/", 7}};
    state.parts = {{folder.File("x"), folder.File("x"), c.time_key, 0, c.bytes, c.due}};
    // Twice: it may have been killed behind the first.
    for (int i = 0; i < 2; ++i) {
      const auto found = Recover(state, "none lines", "T", disk);
      REQUIRE(found.ok());
      CHECK(found->made == "none lines");
      CHECK(found->positions == state.positions);
      CHECK((found->parts.size() == 1) == c.goes_on);
      auto left = c.left;
      left["other.part"] = "not ours";
      std::map<std::string, std::string> files;
      for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        files[entry.path().filename().string()] = ReadFile(entry.path().string());
      }
      CHECK(files == left);
    }
  }
}

TEST_CASE("recovery: a finished file takes the next number where its name is taken") {
  const TempFolder folder;
  WriteFile(folder.File("x.gz"), "not ours");
  WriteFile(folder.File("x.gz.part"), "1234");
  ArchiveState state;
  state.made = "gzip lines";
  state.parts = {{folder.File("x.gz"), folder.File("x.gz"), "T", 0, 4, true}};
  REQUIRE(Recover(state, "none lines", "T").ok());
  CHECK(ReadFile(folder.File("x.gz")) == "not ours");
  CHECK(ReadFile(folder.File("x.1.gz")) == "1234");
}

TEST_CASE("recovery: what cannot be cut keeps it from starting") {
  const TempFolder folder;
  FaultyDisk disk;
  WriteFile(folder.File("x.part"), "one\ntw");
  ArchiveState state;
  state.parts = {{folder.File("x"), folder.File("x"), "T", 0, 4, false}};
  disk.Fail(FaultyDisk::Call::kTruncate, StatusCode::kIoError);
  CHECK(Recover(state, "", "T", disk).status().code() == StatusCode::kIoError);
}

TEST_CASE("recovery: what no source sends again is kept, in whole lines or as a complete file") {
  const std::string lines(70'000, 'x');
  const std::string long_torn = "one\n" + lines + "\n" + lines;
  struct KeepCase {
    const char* made;
    std::uint64_t bytes;
    std::string there;
    std::string name;
    std::string kept;
    bool goes_on;
  };
  const KeepCase cases[] = {
      {"none lines", 0, "one\ntwo\nthr", "x.part", "one\ntwo\n", true},
      {"none lines", 4, "one\ntw", "x.part", "one\n", true},
      {"none lines", 4, long_torn, "x.part", "one\n" + lines + "\n", true},
      {"none lines", 0, "on", "", "", false},
      {"none framed", 0, "3\none\n3\nt", "x", "3\none\n3\nt", false},
      {"zstd lines", 4, "1234567", "x", "1234567", false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.made);
    CAPTURE(c.there.size());
    const TempFolder folder;
    WriteFile(folder.File("x.part"), c.there);
    ArchiveState state;
    state.made = c.made;
    state.parts = {{folder.File("x"), folder.File("x"), "T", 0, c.bytes, false}};
    const auto found = Recover(state, c.made, "T", Disk::System(), false);
    REQUIRE(found.ok());
    REQUIRE((found->parts.size() == 1) == c.goes_on);
    if (c.goes_on) CHECK(found->parts[0].bytes == c.kept.size());
    for (const char* name : {"x", "x.part"}) {
      const bool there = std::filesystem::exists(folder.File(name));
      CHECK(there == (name == c.name));
      if (there) CHECK(ReadFile(folder.File(name)) == c.kept);
    }
  }
}

}  // namespace
}  // namespace rivulet
