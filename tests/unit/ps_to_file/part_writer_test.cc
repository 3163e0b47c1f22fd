#include "ps_to_file/part_writer.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ps_to_file/recovery.h"
#include "tests/unit/journal/support.h"

namespace rivulet {
namespace {

using journal_test::FaultyDisk;
using journal_test::ReadFile;
using journal_test::TempFolder;
using journal_test::WriteFile;
using Call = FaultyDisk::Call;

/// A writer below a folder; messages by the names of files.
struct Archive {
  TempFolder folder;
  FaultyDisk disk;
  PartWriterConfig config;
  std::unique_ptr<PartWriter> writer;
  std::map<std::string, std::uint64_t> parts;
  std::uint64_t next_part = 1;
  WriteBatch batch;

  Archive() {
    disk.IgnoreSyncs();
    config.state_path = folder.File(".state");
    config.urls = {"http://a/", "http://b/"};
    config.retry_every = std::chrono::milliseconds(2);
  }

  /// As a start does. `time_key` is that of all files.
  Status Start(const std::string& time_key = "T") {
    auto state = ReadArchiveState(config.state_path);
    if (!state.ok()) return state.status();
    state = Recover(std::move(state).value(), "none lines", time_key, disk);
    if (!state.ok()) return state.status();
    writer = std::make_unique<PartWriter>(config, *state, disk);
    parts.clear();
    batch = {};
    batch.time_key = time_key;
    for (const auto& part : state->parts) {
      parts[part.base] = next_part;
      writer->Adopt(next_part++, part);
    }
    return Status::Ok();
  }
  void Put(const std::string& name, const std::string& bytes) {
    const std::string base = folder.File(name);
    if (!parts.contains(base)) {
      parts[base] = next_part;
      batch.begun.push_back({next_part++, base});
    }
    batch.chunks.push_back({parts[base], bytes, 1});
  }
  void Complete(const std::string& name) {
    const std::string base = folder.File(name);
    batch.complete.push_back(parts.at(base));
    parts.erase(base);
  }
  Status Write() {
    Status status = writer->Write(&batch);
    const std::string time_key = batch.time_key;
    batch = {};
    batch.time_key = time_key;
    return status;
  }
  Status Checkpoint(std::uint64_t position = 0) {
    batch.checkpoint = true;
    batch.positions = {position, std::nullopt};
    batch.url = 0;
    return Write();
  }
  ArchiveState State() const {
    auto state = ReadArchiveState(config.state_path);
    REQUIRE(state.ok());
    return std::move(state).value();
  }
  /// Names and contents of all files but the state.
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
      const auto name = std::filesystem::relative(entry.path(), folder.path()).string();
      if (entry.is_regular_file() && name[0] != '.') files[name] = ReadFile(entry.path().string());
    }
    return files;
  }
  using Content = std::map<std::string, std::string>;
};

TEST_CASE("part writer: a file is a part until the checkpoint after it is complete") {
  Archive a;
  REQUIRE(a.Start().ok());
  a.Put("d/x", "one\n");
  REQUIRE(a.Write().ok());
  CHECK(a.Files() == Archive::Content{{"d/x.part", "one\n"}});
  a.Complete("d/x");
  REQUIRE(a.Write().ok());
  CHECK(a.Files() == Archive::Content{{"d/x.part", "one\n"}});
  REQUIRE(a.Checkpoint().ok());
  CHECK(a.Files() == Archive::Content{{"d/x", "one\n"}});
  CHECK(a.writer->progress().completed == 1);
  a.Put("d/x", "two\n");
  a.Complete("d/x");
  REQUIRE(a.Checkpoint().ok());
  CHECK(a.Files() == Archive::Content{{"d/x", "one\n"}, {"d/x.1", "two\n"}});
}

TEST_CASE("part writer: a start cuts what came after the last checkpoint") {
  Archive a;
  REQUIRE(a.Start().ok());
  a.Put("x", "one\n");
  REQUIRE(a.Checkpoint(1).ok());
  a.Put("x", "two\n");
  a.Put("y", "two\n");
  REQUIRE(a.Write().ok());
  CHECK(a.Files() == Archive::Content{{"x.part", "one\ntwo\n"}, {"y.part", "two\n"}});
  CHECK(a.State().positions.at(0) == std::pair<std::string, std::uint64_t>{"http://a/", 1});

  REQUIRE(a.Start().ok());
  CHECK(a.Files() == Archive::Content{{"x.part", "one\n"}});
  a.Put("x", "2\n");
  a.Put("y", "2\n");
  a.Complete("y");
  REQUIRE(a.Checkpoint(2).ok());
  CHECK(a.Files() == Archive::Content{{"x.part", "one\n2\n"}, {"y", "2\n"}});
}

TEST_CASE("part writer: a file that is rolled is whole in the state before it is renamed") {
  Archive a;
  REQUIRE(a.Start().ok());
  a.Put("x", "one\n");
  REQUIRE(a.Checkpoint(1).ok());
  a.Put("x", "two\n");
  a.Complete("x");
  REQUIRE(a.Checkpoint(2).ok());
  // As if it had ended between the state and the rename.
  REQUIRE(std::rename(a.folder.File("x").c_str(), a.folder.File("x.part").c_str()) == 0);
  const auto state = a.State();
  REQUIRE(state.parts.size() == 1);
  CHECK(state.parts[0].due);
  CHECK(state.parts[0].bytes == 8);
  REQUIRE(a.Start().ok());
  CHECK(a.Files() == Archive::Content{{"x", "one\ntwo\n"}});
  // And once more, now that it is done.
  REQUIRE(a.Start().ok());
  CHECK(a.Files() == Archive::Content{{"x", "one\ntwo\n"}});
}

TEST_CASE("part writer: files of somebody else are left alone") {
  Archive a;
  WriteFile(a.folder.File("x"), "a file");
  WriteFile(a.folder.File("x.1.part"), "a part");
  REQUIRE(a.Start().ok());
  a.Put("x", "one\n");
  a.Complete("x");
  REQUIRE(a.Write().ok());
  WriteFile(a.folder.File("x.2"), "made meanwhile");
  REQUIRE(a.Checkpoint().ok());
  CHECK(a.Files() ==
        Archive::Content{
            {"x", "a file"}, {"x.1.part", "a part"}, {"x.2", "made meanwhile"}, {"x.3", "one\n"}});
}

TEST_CASE("part writer: a full disk is tried again, and nothing is there twice") {
  for (const Call call : {Call::kWrite, Call::kCreate, Call::kOpen}) {
    CAPTURE(static_cast<int>(call));
    Archive a;
    a.config.max_open_files = 1;
    REQUIRE(a.Start().ok());
    a.Put("x", "one\n");
    a.Put("y", "one\n");
    REQUIRE(a.Checkpoint().ok());
    a.disk.Fail(call, StatusCode::kExhausted, 0, 3);
    a.Put("x", "two, which is longer\n");
    a.Put("z", "one\n");
    REQUIRE(a.Checkpoint().ok());
    CHECK(a.disk.calls(call) > 3);
    CHECK(a.writer->progress().trouble.empty());
    CHECK(a.Files() == Archive::Content{{"x.part", "one\ntwo, which is longer\n"},
                                        {"y.part", "one\n"},
                                        {"z.part", "one\n"}});
  }
}

TEST_CASE("part writer: while it fails the part file holds whole messages, until it gives up") {
  Archive a;
  REQUIRE(a.Start().ok());
  a.Put("x", "one\n");
  REQUIRE(a.Checkpoint(1).ok());
  a.disk.Fail(Call::kWrite, StatusCode::kExhausted);
  a.Put("x", "two\n");
  Status status;
  std::thread helper([&] { status = a.Checkpoint(2); });
  while (a.writer->progress().trouble.empty()) std::this_thread::yield();
  a.writer->GiveUp();
  helper.join();
  CHECK(status.code() == StatusCode::kExhausted);
  CHECK(a.Files() == Archive::Content{{"x.part", "one\n"}});
  // Nothing may come behind what is missing.
  a.disk.Heal();
  a.Put("x", "three\n");
  CHECK_FALSE(a.Checkpoint(3).ok());
  CHECK(a.State().positions.at(0).second == 1);
  CHECK(a.Files() == Archive::Content{{"x.part", "one\n"}});
}

TEST_CASE("part writer: a failed sync is final, and its checkpoint is none") {
  for (const Call call : {Call::kSync, Call::kSyncDirectory}) {
    Archive a;
    REQUIRE(a.Start().ok());
    a.Put("x", "one\n");
    REQUIRE(a.Checkpoint(1).ok());
    a.disk.Fail(call, StatusCode::kIoError, 0, 1);
    a.Put("x", "two\n");
    a.Put("y", "two\n");
    CHECK_FALSE(a.Checkpoint(2).ok());
    CHECK_FALSE(a.Checkpoint(2).ok());
    CHECK(a.disk.syncs_after_failure() == 0);
    CHECK(a.State().positions.at(0).second == 1);
    REQUIRE(a.Start().ok());
    CHECK(a.Files() == Archive::Content{{"x.part", "one\n"}});
  }
}

TEST_CASE("part writer: a name that cannot be looked at is told and waited for") {
  Archive a;
  // Of which lstat says ELOOP, also to a superuser.
  std::filesystem::create_symlink("d", a.folder.File("d"));
  REQUIRE(a.Start().ok());
  a.Put("d/x", "one\n");
  Status status;
  std::thread helper([&] { status = a.Write(); });
  while (a.writer->progress().trouble.empty()) std::this_thread::yield();
  CHECK(a.writer->progress().trouble.find(a.folder.File("d/x")) != std::string::npos);
  std::filesystem::remove(a.folder.File("d"));
  helper.join();
  CHECK(status.ok());
  CHECK(a.Files() == Archive::Content{{"d/x.part", "one\n"}});

  std::filesystem::create_symlink("e", a.folder.File("e"));
  a.Put("e/x", "one\n");
  a.writer->GiveUp();
  CHECK(a.Write().code() == StatusCode::kIoError);
}

TEST_CASE("part writer: no more files are open than it may have") {
  Archive a;
  a.config.max_open_files = 3;
  REQUIRE(a.Start().ok());
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20; ++i) {
      a.Put(std::to_string(i), std::to_string(round) + "\n");
      REQUIRE(a.Write().ok());
      CHECK(a.writer->progress().open_files <= 3);
    }
    REQUIRE(a.Checkpoint().ok());
    CHECK(a.writer->progress().open_files <= 3);
  }
  CHECK(a.writer->progress().written == 60);
  for (const auto& [name, content] : a.Files()) CHECK(content == "0\n1\n2\n");
}

TEST_CASE("part writer: a part that somebody removed is begun again") {
  Archive a;
  a.config.max_open_files = 1;
  REQUIRE(a.Start().ok());
  a.Put("x", "one\n");
  a.Put("y", "one\n");
  REQUIRE(a.Checkpoint().ok());
  std::filesystem::remove(a.folder.File("x.part"));
  a.Put("x", "two\n");
  REQUIRE(a.Checkpoint().ok());
  CHECK(a.Files() == Archive::Content{{"x.part", "two\n"}, {"y.part", "one\n"}});
  REQUIRE(a.Start().ok());
  CHECK(a.Files() == Archive::Content{{"x.part", "two\n"}, {"y.part", "one\n"}});
}

TEST_CASE("part writer: the state knows the source that was followed last, and keeps the others") {
  Archive a;
  WriteFile(
      a.config.state_path,
      "rivulet archive 1\nmade none lines\nposition 5 http://other/\nposition 6 http://b/\nend\n");
  REQUIRE(a.Start().ok());
  REQUIRE(a.Checkpoint(7).ok());
  using Positions = std::vector<std::pair<std::string, std::uint64_t>>;
  CHECK(a.State().positions == Positions{{"http://a/", 7}, {"http://other/", 5}, {"http://b/", 6}});
}

}  // namespace
}  // namespace rivulet
