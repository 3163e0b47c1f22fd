#include "base/replace_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace rivulet {
namespace {

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/file"; }
  std::string path = std::filesystem::temp_directory_path() / "rivulet_replace_XXXXXX";
};

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

TEST_CASE("replace file: makes the file, or another in its place, its owner's alone") {
  const Folder folder;
  std::ofstream(folder.file() + ".new") << "what a crash left, which is longer";
  CHECK(ReplaceFile(folder.file(), "first").ok());
  struct stat first {};
  REQUIRE(stat(folder.file().c_str(), &first) == 0);
  CHECK(Content(folder.file()) == "first");
  CHECK(ReplaceFile(folder.file(), std::string_view("a\0b", 3)).ok());
  CHECK(Content(folder.file()) == std::string("a\0b", 3));
  struct stat second {};
  REQUIRE(stat(folder.file().c_str(), &second) == 0);
  CHECK(second.st_ino != first.st_ino);
  CHECK((second.st_mode & 0777) == 0600);
  CHECK_FALSE(std::filesystem::exists(folder.file() + ".new"));
}

TEST_CASE("replace file: where it fails the old one stays, and the error names the file") {
  const Folder folder;
  REQUIRE(ReplaceFile(folder.file(), "old").ok());
  std::filesystem::create_directory(folder.file() + ".new");
  const Status status = ReplaceFile(folder.file(), "new");
  CHECK(status.code() == StatusCode::kIoError);
  CHECK(status.message() == "open " + folder.file() + ".new: Is a directory");
  CHECK(Content(folder.file()) == "old");
  const Status nowhere = ReplaceFile(folder.path + "/none/file", "new");
  CHECK(nowhere.message() == "open " + folder.path + "/none/file.new: No such file or directory");
}

}  // namespace
}  // namespace rivulet
