#include "file_to_http/offset_file.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

using namespace rivulet;

namespace {

struct Folder {
  std::string path;
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "offsets.XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/offsets"; }
  std::string Content() const {
    std::ifstream in(file());
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  void Write(const std::string& text) const { std::ofstream(file()) << text; }
};

struct Fixture {
  Folder folder;
  SystemClock clock;
  EventLoop loop;
  int synced = 0;
  Status before;

  Result<std::unique_ptr<OffsetFile>> Open() {
    return OffsetFile::Open(folder.file(), loop, clock, [this] {
      ++synced;
      return before;
    });
  }
};

}  // namespace

TEST_CASE("offset file: the hash is FNV-1a of 64 bits") {
  // The test vectors of the FNV specification (draft-eastlake-fnv, appendix C).
  CHECK(HeadHash("") == 0xcbf29ce484222325U);
  CHECK(HeadHash("a") == 0xaf63dc4c8601ec8cU);
  CHECK(HeadHash("foobar") == 0x85944171f73967e8U);
}

TEST_CASE("offset file: lines are written and read back, names with spaces included") {
  const std::vector<FileOffset> offsets = {{"a b.jsonl", 81234, 1024, 0x5f0c2a9be1d03f77U},
                                           {"/x/c.gz", 0, 0, 1}};
  const std::string text = FileOffsetsText(offsets);
  CHECK(text ==
        "rivulet file offsets 1\n81234 1024 5f0c2a9be1d03f77 a b.jsonl\n0 0 0000000000000001 "
        "/x/c.gz\n");
  const auto read = ParseFileOffsets(text);
  REQUIRE(read.ok());
  CHECK(*read == offsets);
}

TEST_CASE("offset file: something else is refused") {
  for (const char* text :
       {"", "x", "rivulet file offsets 2\n", "rivulet file offsets 1",
        "rivulet file offsets 1\n12 5 a.txt\n", "rivulet file offsets 1\n-1 5 00 a.txt\n",
        "rivulet file offsets 1\n1 5 00 \n", "rivulet file offsets 1\n1 5 00 a"}) {
    CAPTURE(text);
    CHECK(ParseFileOffsets(text).status().code() == StatusCode::kCorrupt);
  }
}

TEST_CASE("offset file: what was set is there after a restart, for each file") {
  Fixture f;
  {
    auto file = f.Open();
    REQUIRE(file.ok());
    CHECK(*(*file)->Begin("a", "head of a") == 0);
    CHECK(*(*file)->Begin("b", "") == 0);
    (*file)->Set("a", 17);
    REQUIRE((*file)->Close().ok());
  }
  auto file = f.Open();
  REQUIRE(file.ok());
  CHECK(*(*file)->Begin("a", "head of a") == 17);
  CHECK(*(*file)->Begin("a", "head of a, which has grown") == 17);
  CHECK(*(*file)->Begin("b", "now it holds something") == 0);
}

TEST_CASE("offset file: another file of the same name is told by its first bytes") {
  Fixture f;
  f.folder.Write("rivulet file offsets 1\n5 3 " + [] {
    const std::string line = FileOffsetsText({{"a", 5, 3, HeadHash("abc")}});
    return line.substr(line.find("3 ") + 2);
  }());
  {
    auto file = f.Open();
    REQUIRE(file.ok());
    CHECK(*(*file)->Begin("a", "abcdef") == 5);
  }
  for (const char* head : {"abd", "ab", ""}) {
    const auto begin = (*f.Open())->Begin("a", head);
    CHECK(begin.status().code() == StatusCode::kCorrupt);
    CHECK(begin.status().message().find(f.folder.file()) != std::string::npos);
  }
}

TEST_CASE("offset file: lines of files that are not read now are kept") {
  Fixture f;
  const std::string others = FileOffsetsText({{"other", 99, 1, 2}});
  f.folder.Write(others);
  auto file = f.Open();
  REQUIRE(file.ok());
  CHECK(f.folder.Content() == others);
  CHECK(*(*file)->Begin("mine", "x") == 0);
  (*file)->Set("mine", 2);
  REQUIRE((*file)->Close().ok());
  CHECK(f.folder.Content() ==
        FileOffsetsText({{"other", 99, 1, 2}, {"mine", 2, 1, HeadHash("x")}}));
}

TEST_CASE("offset file: it never says more than what is safe before it") {
  Fixture f;
  auto file = f.Open();
  REQUIRE(file.ok());
  CHECK(*(*file)->Begin("a", "x") == 0);
  const std::string old = f.folder.Content();
  f.before = Status(StatusCode::kIoError, "the dead letters cannot be made safe");
  (*file)->Set("a", 17);
  CHECK((*file)->Close().message() == f.before.message());
  CHECK(f.synced == 1);
  CHECK(f.folder.Content() == old);
}

TEST_CASE("offset file: a folder that is none is named at once") {
  Fixture f;
  f.folder.Write("a file");
  const std::string path = f.folder.file() + "/offsets";
  const auto file = OffsetFile::Open(path, f.loop, f.clock, nullptr);
  CHECK(file.status().code() == StatusCode::kIoError);
  CHECK(file.status().message().find(path) != std::string::npos);
}
