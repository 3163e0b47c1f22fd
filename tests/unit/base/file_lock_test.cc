#include "base/file_lock.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace rivulet {
namespace {

TEST_CASE("file lock: is held by one, whom the refused one can name") {
  std::string folder = std::filesystem::temp_directory_path() / "file_lock.XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/lock";
  {
    const auto first = FileLock::Acquire(path, "--x=1");
    REQUIRE(first.ok());
    const auto second = FileLock::Acquire(path, "--x=1");
    CHECK(second.status().code() == StatusCode::kInvalidArgument);
    CHECK(second.status().message() == "--x=1: in use by process " + std::to_string(getpid()));
  }
  CHECK(FileLock::Acquire(path, "--x=1").ok());
  const auto nowhere = FileLock::Acquire(folder + "/none/lock", "--x=1");
  CHECK(nowhere.status().code() == StatusCode::kIoError);
  CHECK(nowhere.status().message().starts_with("--x=1: open " + folder + "/none/lock"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace rivulet
