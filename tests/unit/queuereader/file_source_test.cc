#include "queuereader/file_source.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rivulet::Batch;
using rivulet::EventLoop;
using rivulet::FileSource;
using rivulet::Status;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

namespace {

struct Fixture {
  Fixture() {
    std::string pattern = (fs::temp_directory_path() / "rivulet_file_XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~Fixture() { fs::remove_all(folder); }
  std::string File(const std::string& name, const std::string& content) {
    std::ofstream(folder / name, std::ios::binary) << content;
    return (folder / name).string();
  }
  void Open(const Strings& paths) {
    auto opened = FileSource::Open(loop, paths);
    REQUIRE(opened.ok());
    source = std::move(*opened);
    source->Listen({[this](Batch got) {
                      batch = std::move(got);
                      answered = true;
                    },
                    [this] { ++requeued; }, [](std::string, const Status&) {}});
  }
  void Fetch() {
    answered = false;
    source->Fetch();
    CHECK_FALSE(answered);  // never inside a verb
    for (int i = 0; i < 100 && !answered; ++i) loop.RunOnce(100ms);
    REQUIRE(answered);
  }
  /// Every message up to the end.
  Strings All() {
    Strings all;
    for (Fetch(); batch.state == Batch::State::kMessages; Fetch()) {
      for (const auto& message : batch.messages) all.emplace_back(batch.body(message));
    }
    return all;
  }

  EventLoop loop;
  fs::path folder;
  std::unique_ptr<FileSource> source;
  Batch batch;
  bool answered = false;
  int requeued = 0;
};

}  // namespace

TEST_CASE("file source: lines are messages; empty ones and carriage returns are not") {
  Fixture f;
  f.Open({f.File("a", "1\n\n\r\n2\r\n3")});
  CHECK(f.All() == Strings{"1", "2", "3"});
  CHECK(f.batch.state == Batch::State::kEnded);
}

TEST_CASE("file source: files follow each other, and a line never spans two") {
  Fixture f;
  f.Open({f.File("a", "1"), f.File("b", ""), f.File("c", "2\n3\n")});
  CHECK(f.All() == Strings{"1", "2", "3"});
}

TEST_CASE("file source: lines longer than any block are whole, and so are those around them") {
  Fixture f;
  Strings expected;
  std::string content;
  for (std::size_t size : {1u, 262143u, 262144u, 262145u, 5u, 1000000u, 7u, 0x40000u - 8u, 3u}) {
    expected.emplace_back(size, static_cast<char>('a' + expected.size()));
    content += expected.back() + "\n";
  }
  f.Open({f.File("a", content)});
  CHECK(f.All() == expected);
}

TEST_CASE("file source: what is requeued comes after the end, marked as such") {
  Fixture f;
  f.Open({f.File("a", "1\n")});
  f.source->Requeue(0, "again");
  f.Fetch();
  CHECK_FALSE(f.batch.messages.at(0).requeued);
  f.Fetch();
  REQUIRE(f.batch.state == Batch::State::kMessages);
  CHECK(f.batch.body(f.batch.messages.at(0)) == "again");
  CHECK(f.batch.messages.at(0).requeued);
  CHECK(f.requeued == 1);
  f.Fetch();
  CHECK(f.batch.state == Batch::State::kEnded);
  f.source->Requeue(0, "late");
  CHECK(f.All() == Strings{"late"});
}

TEST_CASE("file source: very many requeued messages come before the rest of the input") {
  Fixture f;
  f.Open({f.File("a", "1\n")});
  for (int i = 0; i < 10'000; ++i) f.source->Requeue(0, "again");
  f.Fetch();
  CHECK(f.batch.messages.at(0).requeued);
}

TEST_CASE("file source: what was requeued can be taken back") {
  Fixture f;
  f.Open({f.File("a", "")});
  f.source->Requeue(0, "x");
  CHECK(f.source->TakePending() == Strings{"x"});
  CHECK(f.All().empty());
}

TEST_CASE("file source: a file that is missing, or a folder, is refused at the start") {
  Fixture f;
  std::string good = f.File("a", "1\n");
  std::string missing = (f.folder / "missing").string();
  auto opened = FileSource::Open(f.loop, {good, missing});
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.status().message().find(missing) != std::string::npos);
  CHECK_FALSE(FileSource::Open(f.loop, {f.folder.string()}).ok());
}

TEST_CASE("file source: a pipe is waited for without blocking the loop") {
  Fixture f;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  f.Open({"/dev/fd/" + std::to_string(ends[0])});
  f.source->Fetch();
  for (int i = 0; i < 5; ++i) f.loop.RunOnce(0ms);
  CHECK_FALSE(f.answered);
  REQUIRE(write(ends[1], "1\n2", 3) == 3);
  for (int i = 0; i < 100 && !f.answered; ++i) f.loop.RunOnce(100ms);
  CHECK(f.batch.messages.size() == 1);
  REQUIRE(write(ends[1], "2\n", 2) == 2);
  close(ends[1]);
  CHECK(f.All() == Strings{"22"});
  close(ends[0]);
}
