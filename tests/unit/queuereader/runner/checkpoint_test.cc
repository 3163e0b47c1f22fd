#include "queuereader/runner/checkpoint.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

namespace rivulet {
namespace {

using namespace std::string_literals;

const CheckpointSections kSections = {{"ledger", ""}, {"task:sum", "1 2\n\0"s}};
// The sum is zlib's crc32 of what stands before, as Python's zlib module has it.
const std::string kBytes =
    "rivulet checkpoint 1\nledger 0\ntask:sum 5\n1 2\n\0"
    "end 352b527a\n"s;

std::string WithSum(const std::string& before) {
  char line[32];
  const auto sum = crc32(0, reinterpret_cast<const unsigned char*>(before.data()),
                         static_cast<unsigned>(before.size()));
  std::snprintf(line, sizeof line, "end %08lx\n", sum);
  return before + line;
}

std::string ErrorOf(const std::string& bytes) {
  const auto decoded = DecodeCheckpoint(bytes);
  REQUIRE_FALSE(decoded.ok());
  CHECK(decoded.status().code() == StatusCode::kCorrupt);
  return decoded.status().message();
}

TEST_CASE("checkpoint: sections are written as the format says, and read again") {
  CHECK(EncodeCheckpoint(kSections) == kBytes);
  const auto decoded = DecodeCheckpoint(kBytes);
  REQUIRE(decoded.ok());
  CHECK(*decoded == kSections);
  CHECK(EncodeCheckpoint({}) == "rivulet checkpoint 1\nend 0c59c73a\n");
  CHECK(DecodeCheckpoint(EncodeCheckpoint({}))->empty());
}

TEST_CASE(
    "checkpoint: a section may hold any bytes, another checkpoint too, and have a name with "
    "spaces") {
  const CheckpointSections sections = {
      {"a", kBytes}, {"b c 7", std::string(3000, '\n')}, {"z", "end 00000000\n"}};
  const auto decoded = DecodeCheckpoint(EncodeCheckpoint(sections));
  REQUIRE(decoded.ok());
  CHECK(*decoded == sections);
}

TEST_CASE("checkpoint: with any one byte another it is refused") {
  for (std::size_t at = 0; at < kBytes.size(); ++at) {
    for (int flip = 1; flip < 256; ++flip) {
      std::string bytes = kBytes;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      if (!DecodeCheckpoint(bytes).ok()) continue;
      FAIL("byte " << at << " flipped by " << flip);
    }
  }
}

TEST_CASE("checkpoint: cut off anywhere, or longer, it is refused") {
  for (std::size_t size = 0; size < kBytes.size(); ++size) {
    REQUIRE_FALSE(DecodeCheckpoint(kBytes.substr(0, size)).ok());
  }
  CHECK(ErrorOf(kBytes + "\n").starts_with("damaged at byte"));
  CHECK(ErrorOf(kBytes + kBytes).starts_with("damaged at byte"));
  CHECK(ErrorOf("") == "damaged at byte 0: must begin with the line \"rivulet checkpoint 1\"");
}

TEST_CASE("checkpoint: one of another format is told by its number") {
  CHECK(ErrorOf("rivulet checkpoint 2\nwhatever\n") ==
        "of format 2, which this version does not know: it knows format 1; run the version that "
        "wrote it");
}

TEST_CASE("checkpoint: what passes the sum but is no list of sections is refused") {
  const std::string head = "rivulet checkpoint 1\n";
  for (const char* sections :
       {"a 1\n", "a 0\na 0\n", "b 0\na 0\n", "a\n", "a \n", " 0\n", "a -1\n", "a +0\n", "a 00\n",
        "a 0x0\n", "a 99999999999999999999\n", "a 18446744073709551615\n", "a 0", "\n"}) {
    CAPTURE(sections);
    CHECK(ErrorOf(WithSum(head + sections)).starts_with("damaged at byte 2"));
  }
  CHECK(DecodeCheckpoint(WithSum(head + "a 1\nx")).ok());
}

struct Folder {
  Folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = std::filesystem::temp_directory_path() / "rivulet_checkpoint_XXXXXX";
};

struct Desk {
  Folder folder;
  EventLoop loop;
  SystemClock clock;

  Result<std::unique_ptr<CheckpointFile>> Open(const std::string& name = "q") {
    return CheckpointFile::Open(loop, clock, folder.path + "/new/dir", name);
  }
  std::string path(const std::string& name = "q") const {
    return folder.path + "/new/dir/" + name + ".checkpoint";
  }
  Status Write(CheckpointFile& file, const CheckpointSections& sections) {
    std::optional<Status> written;
    file.Write(sections, [&](const Status& status) { written = status; });
    CHECK(file.writing());
    for (int i = 0; i < 10'000 && !written; ++i) loop.RunOnce(std::chrono::milliseconds(2));
    REQUIRE(written);
    CHECK_FALSE(file.writing());
    return *written;
  }
};

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

TEST_CASE("checkpoint file: holds after a restart what was written last") {
  Desk desk;
  {
    auto file = desk.Open();
    REQUIRE(file.ok());
    CHECK((*file)->found().empty());
    CHECK((*file)->path() == desk.path());
    CHECK((*file)->written() == 0);
    CHECK(desk.Write(**file, {{"ledger", "old"}}).ok());
    CHECK(desk.Write(**file, kSections).ok());
    CHECK((*file)->written() == 2);
    CHECK((*file)->last_bytes() == kBytes.size());
    CHECK(Content(desk.path()) == kBytes);
  }
  const auto again = desk.Open();
  REQUIRE(again.ok());
  CHECK((*again)->found() == kSections);
}

TEST_CASE("checkpoint file: is one reader's, until that is gone") {
  Desk desk;
  {
    const auto first = desk.Open();
    REQUIRE(first.ok());
    const auto second = desk.Open();
    REQUIRE_FALSE(second.ok());
    CHECK(second.status().message() ==
          desk.path() + ": in use by process " + std::to_string(getpid()) +
              "; each reader needs a --checkpoint-name or --checkpoint-dir of its own");
    CHECK(desk.Open("another").ok());
  }
  CHECK(desk.Open().ok());
}

TEST_CASE("checkpoint file: a name cannot lead out of the folder") {
  Desk desk;
  const auto file = desk.Open("../a%b");
  REQUIRE(file.ok());
  CHECK((*file)->path() == desk.path("..%2Fa%25b"));
}

TEST_CASE(
    "checkpoint file: a damaged, empty or unreadable one refuses the start and is left alone") {
  Desk desk;
  std::filesystem::create_directories(desk.folder.path + "/new/dir");
  for (const std::string& content : {kBytes.substr(0, 30), ""s, "rivulet checkpoint 9\n"s}) {
    std::ofstream(desk.path(), std::ios::binary) << content;
    const auto file = desk.Open();
    REQUIRE_FALSE(file.ok());
    CHECK(file.status().code() == StatusCode::kCorrupt);
    CHECK(file.status().message().starts_with(desk.path() + ": "));
    CHECK(file.status().message().find("move it away to begin anew") != std::string::npos);
    CHECK(Content(desk.path()) == content);
  }
  std::filesystem::remove(desk.path());
  std::filesystem::create_directory(desk.path());
  CHECK(desk.Open().status().message() == desk.path() + ": must be a file");
}

TEST_CASE("checkpoint file: a folder that cannot be made is named") {
  Desk desk;
  std::ofstream(desk.folder.path + "/new") << "a file";
  const auto file = desk.Open();
  REQUIRE_FALSE(file.ok());
  CHECK(file.status().message() ==
        "--checkpoint-dir=" + desk.folder.path + "/new/dir: make the folder: Not a directory");
}

TEST_CASE("checkpoint file: a write that fails is told, and leaves the one before") {
  Desk desk;
  auto file = desk.Open();
  REQUIRE(file.ok());
  REQUIRE(desk.Write(**file, kSections).ok());
  std::filesystem::create_directory(desk.path() + ".new");
  const Status status = desk.Write(**file, {});
  CHECK(status.code() == StatusCode::kIoError);
  CHECK(status.message().find(desk.path() + ".new") != std::string::npos);
  CHECK((*file)->written() == 1);
  CHECK(Content(desk.path()) == kBytes);
  std::filesystem::remove(desk.path() + ".new");
  CHECK(desk.Write(**file, {}).ok());
}

TEST_CASE("checkpoint file: what is being written is written when it goes") {
  Desk desk;
  {
    auto file = desk.Open();
    REQUIRE(file.ok());
    (*file)->Write(kSections, [](const Status&) { FAIL("told after it was gone"); });
  }
  desk.loop.RunOnce(std::chrono::milliseconds(0));
  CHECK(Content(desk.path()) == kBytes);
}

}  // namespace
}  // namespace rivulet
