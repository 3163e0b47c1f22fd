#include "bridge/position_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/unit/bridge/scripted_source.h"

namespace rivulet {
namespace {

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    unlink(file().c_str());
    rmdir(path.c_str());
  }
  std::string file() const { return path + "/offsets"; }
  std::string path = "/tmp/rivulet_positions_XXXXXX";
};

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

const std::vector<std::string> kUrls = {"http://a/sub?x=1&since=now", "http://b/sub?since=now"};

TEST_CASE("position file: says after a restart what was set, for each URL") {
  Folder folder;
  EventLoop loop;
  SystemClock clock;
  {
    auto file = PositionFile::Open(folder.file(), kUrls, loop, clock);
    REQUIRE(file.ok());
    CHECK((*file)->positions() == PositionFile::Positions{std::nullopt, std::nullopt});
    (*file)->Set(1, 7);
    (*file)->Set(1, 18446744073709551615ULL);
    CHECK((*file)->Close().ok());
    (*file)->Set(0, 0);
    CHECK((*file)->Close().ok());
  }
  CHECK(Content(folder.file()) ==
        "rivulet source positions 1\n0 http://a/sub?x=1\n"
        "18446744073709551615 http://b/sub\n");
  struct stat info {};
  REQUIRE(stat(folder.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  auto other = PositionFile::Open(folder.file(), {kUrls[1]}, loop, clock);
  REQUIRE(other.ok());
  CHECK((*other)->positions() == PositionFile::Positions{18446744073709551615ULL});
}

TEST_CASE("position file: is written while the loop runs") {
  Folder folder;
  EventLoop loop;
  SystemClock clock;
  auto file = PositionFile::Open(folder.file(), kUrls, loop, clock);
  REQUIRE(file.ok());
  for (std::uint64_t i = 1; i <= 3; ++i) (*file)->Set(0, i);
  test::RunUntil(loop, [&] {
    return Content(folder.file()) == "rivulet source positions 1\n3 http://a/sub?x=1\n";
  });
}

TEST_CASE("position file: a source is known whatever its URL says of since and token") {
  Folder folder;
  EventLoop loop;
  SystemClock clock;
  const std::vector<std::string> urls = {"http://a/sub?topic=t&token=old&since=earliest"};
  auto file = PositionFile::Open(folder.file(), urls, loop, clock);
  REQUIRE(file.ok());
  (*file)->Set(0, 50);
  REQUIRE((*file)->Close().ok());
  for (const char* url : {"http://a/sub?topic=t&since=now", "http://a/sub?token=new&topic=t",
                          "http://me:secret@a/sub?topic=t"}) {
    CAPTURE(url);
    auto again = PositionFile::Open(folder.file(), {"http://b/sub", url}, loop, clock);
    REQUIRE(again.ok());
    CHECK((*again)->positions() == PositionFile::Positions{std::nullopt, 50});
    CHECK((*again)->latest() == 1);
  }
  CHECK(Content(folder.file()) == "rivulet source positions 1\n50 http://a/sub?topic=t\n");
}

TEST_CASE("position file: sources that are not followed any more stay") {
  Folder folder;
  EventLoop loop;
  SystemClock clock;
  std::ofstream(folder.file(), std::ios::binary)
      << "rivulet source positions 1\n7 http://old/sub?topic=t\n8 http://b/sub\n";
  auto file = PositionFile::Open(folder.file(), kUrls, loop, clock);
  REQUIRE(file.ok());
  CHECK((*file)->positions() == PositionFile::Positions{std::nullopt, 8});
  (*file)->Set(0, 1);
  REQUIRE((*file)->Close().ok());
  CHECK(Content(folder.file()) ==
        "rivulet source positions 1\n1 http://a/sub?x=1\n8 http://b/sub\n"
        "7 http://old/sub?topic=t\n");
  const auto back = PositionFile::Open(folder.file(), {"http://old/sub?topic=t"}, loop, clock);
  REQUIRE(back.ok());
  CHECK((*back)->positions() == PositionFile::Positions{7});
}

TEST_CASE("position file: two URLs of one source have one position") {
  Folder folder;
  EventLoop loop;
  SystemClock clock;
  const std::vector<std::string> urls = {"http://a/sub?token=1", "http://a/sub?token=2"};
  auto file = PositionFile::Open(folder.file(), urls, loop, clock);
  REQUIRE(file.ok());
  (*file)->Set(0, 5);
  (*file)->Set(1, 6);
  REQUIRE((*file)->Close().ok());
  CHECK((*file)->positions() == PositionFile::Positions{6, 6});
  CHECK(Content(folder.file()) == "rivulet source positions 1\n6 http://a/sub\n");
}

TEST_CASE("position file: what is no such file is refused and left alone") {
  Folder folder;
  EventLoop loop;
  SystemClock clock;
  for (const char* text : {"something else\n", "rivulet source positions 1\n12",
                           "rivulet source positions 1\nx http://a\n"}) {
    CAPTURE(text);
    std::ofstream(folder.file(), std::ios::binary) << text;
    const auto file = PositionFile::Open(folder.file(), kUrls, loop, clock);
    REQUIRE_FALSE(file.ok());
    CHECK(file.status().code() == StatusCode::kCorrupt);
    CHECK(file.status().message().find(folder.file()) != std::string::npos);
    CHECK(Content(folder.file()) == text);
  }
  for (const std::string& no_file : {folder.path, std::string("/dev/null")}) {
    CHECK(PositionFile::Open(no_file, kUrls, loop, clock).status().code() ==
          StatusCode::kInvalidArgument);
  }
  const auto nowhere = PositionFile::Open(folder.path + "/none/offsets", kUrls, loop, clock);
  REQUIRE_FALSE(nowhere.ok());
  CHECK(nowhere.status().message().find("/none/offsets") != std::string::npos);
}

}  // namespace
}  // namespace rivulet
