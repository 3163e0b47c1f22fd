#include "queuereader/runner/failed_messages.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

using rivulet::FailedMessages;
using rivulet::FakeClock;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "rivulet_failed_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t FileCount(const std::string& path) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("failed messages: nothing is created before the first message") {
  Folder folder;
  FailedMessages failed(folder / "deep/down", "clicks");
  CHECK(failed.Check().ok());
  CHECK_FALSE(fs::exists(folder / "deep"));
}

TEST_CASE("failed messages: each message is a file of its own, whole, named by time and kind") {
  Folder folder;
  FakeClock clock;  // 1331923247 is 2012-03-16 18:40:47 UTC
  FailedMessages failed(folder / "deep/down/", "clicks");
  std::string first;
  std::string second;
  REQUIRE(failed.Write("{\"a\":1}", false, clock.WallNow(), &first).ok());
  REQUIRE(failed.Write(std::string("\0{", 2), true, clock.WallNow(), &second).ok());
  std::string pid = std::to_string(getpid());
  CHECK(first == folder / ("deep/down/clicks/20120316-184047." + pid + ".1.json"));
  CHECK(second == folder / ("deep/down/clicks/20120316-184047." + pid + ".2.malformed"));
  CHECK(Content(first) == "{\"a\":1}");
  CHECK(Content(second) == std::string("\0{", 2));
  CHECK(FileCount(folder / "deep/down/clicks") == 2);
}

TEST_CASE("failed messages: a file that is there is never written over") {
  Folder folder;
  FakeClock clock;
  std::string path;
  {
    FailedMessages earlier(folder / "f", "q");
    REQUIRE(earlier.Write("earlier", false, clock.WallNow(), &path).ok());
  }
  FailedMessages later(folder / "f", "q");  // counts from one again, in the same second
  std::string later_path;
  REQUIRE(later.Write("later", false, clock.WallNow(), &later_path).ok());
  CHECK(Content(path) == "earlier");
  CHECK(Content(later_path) == "later");
}

TEST_CASE("failed messages: a folder removed meanwhile is made again") {
  Folder folder;
  FakeClock clock;
  FailedMessages failed(folder / "f", "q");
  std::string path;
  REQUIRE(failed.Write("1", false, clock.WallNow(), &path).ok());
  fs::remove_all(folder / "f");
  REQUIRE(failed.Write("2", false, clock.WallNow(), &path).ok());
  CHECK(Content(path) == "2");
}

TEST_CASE("failed messages: a path that is a file is refused at the start and at the write") {
  Folder folder;
  FakeClock clock;
  std::ofstream(folder / "f") << "x";
  FailedMessages failed(folder / "f", "q");
  CHECK_FALSE(failed.Check().ok());
  std::string path;
  auto status = failed.Write("1", false, clock.WallNow(), &path);
  CHECK_FALSE(status.ok());
  CHECK(status.message().find(folder / "f") != std::string::npos);
}

TEST_CASE("failed messages: files and the count go on from the messages that failed before") {
  Folder folder;
  FakeClock clock;
  FailedMessages failed(folder / "f", "q", 7);
  CHECK(failed.written() == 7);
  std::string path;
  REQUIRE(failed.Write("1", false, clock.WallNow(), &path).ok());
  CHECK(path.ends_with(".8.json"));
  CHECK(failed.written() == 8);
}

TEST_CASE("failed messages: a name that is taken is passed over, and not counted") {
  Folder folder;
  FakeClock clock;
  std::string path;
  FailedMessages(folder / "f", "q").Write("earlier", false, clock.WallNow(), &path).message();
  FailedMessages later(folder / "f", "q");
  REQUIRE(later.Write("later", false, clock.WallNow(), &path).ok());
  CHECK(path.ends_with(".2.json"));
  CHECK(later.written() == 1);
}

TEST_CASE("failed messages: several threads may write, each message a file") {
  Folder folder;
  FakeClock clock;
  FailedMessages failed(folder / "f", "q");
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&failed, &clock] {
      for (int i = 0; i < 3; ++i) {
        std::string path;
        failed.Write("m", false, clock.WallNow(), &path).message();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed.written() == 6);
  CHECK(FileCount(folder / "f/q") == 6);
}
