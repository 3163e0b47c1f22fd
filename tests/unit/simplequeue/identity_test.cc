#include "simplequeue/identity.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using rivulet::KeepIdentity;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/rivulet_identity_XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void Write(const std::string& text) const { std::ofstream(path + "/identity") << text; }

  std::string path;
};

}  // namespace

TEST_CASE("identity: is drawn once, and stays") {
  const Folder folder;
  CHECK(*KeepIdentity(folder.path, true, 0x9f02c1ab5d3e7714) == 0x9f02c1ab5d3e7714);
  CHECK(*KeepIdentity(folder.path, false, 8) == 0x9f02c1ab5d3e7714);
}

TEST_CASE("identity: a journal that was begun anew has another") {
  const Folder folder;
  CHECK(*KeepIdentity(folder.path, true, 7) == 7);
  CHECK(*KeepIdentity(folder.path, true, 8) == 8);
  CHECK(*KeepIdentity(folder.path, false, 9) == 8);
}

TEST_CASE("identity: a file that is missing or none of ours is replaced") {
  for (const char* text :
       {"", "something else\n", "rivulet identity 1\n", "rivulet identity 1\nxyz\n",
        "rivulet identity 1\n9f02c1ab5d3e77149f02c1ab5d3e7714\n"}) {
    CAPTURE(text);
    const Folder folder;
    folder.Write(text);
    CHECK(*KeepIdentity(folder.path, false, 7) == 7);
    CHECK(*KeepIdentity(folder.path, false, 8) == 7);
  }
}

TEST_CASE("identity: a folder that cannot be written is an error that names the file") {
  const auto identity = KeepIdentity("/nowhere/at/all", false, 7);
  REQUIRE(!identity.ok());
  CHECK(identity.status().message().find("/nowhere/at/all/identity") != std::string::npos);
}
