// A file source on a loop and a fake clock, and what it answered.
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queuereader/source/file_source.h"

namespace rivulet::test {

using Strings = std::vector<std::string>;

struct FileSourceFixture {
  FileSourceFixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rivulet_file_XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~FileSourceFixture() { std::filesystem::remove_all(folder); }

  std::string Write(const std::string& name, const std::string& content) {
    std::ofstream(folder / name, std::ios::binary) << content;
    return (folder / name).string();
  }
  void Open(const Strings& paths) {
    auto opened = OpenFileSource(loop, clock, paths, unfinished);
    REQUIRE(opened.ok());
    source = std::move(*opened);
    source->Listen({.fetched =
                        [this](Batch got) {
                          batch = std::move(got);
                          answered = true;
                        },
                    .settled =
                        [this](std::uint64_t token, Settled how, const Status&) {
                          CHECK(how == Settled::kDone);
                          settled.push_back(token);
                        },
                    .lost = {},
                    .doubted = {}});
  }
  /// The same files again, by another process that takes `saved` up.
  void Reopen(const Strings& paths, const std::string& saved) {
    source.reset();
    Open(paths);
    Status status = source->Load(saved);
    REQUIRE_MESSAGE(status.ok(), status.message());
  }
  void Fetch() {
    answered = false;
    source->Fetch();
    CHECK_FALSE(answered);  // never inside a verb
    for (int i = 0; i < 1000 && !answered; ++i) loop.RunOnce(std::chrono::milliseconds(100));
    REQUIRE(answered);
  }
  /// The loop does what is ready.
  void Turn() {
    for (int i = 0; i < 20; ++i) loop.RunOnce({});
  }
  void Settle(const Delivery& message, Fate fate, std::string body = {}, Duration delay = {}) {
    Settlement settlement;
    settlement.token = message.place;
    settlement.origin = message.origin;
    settlement.fate = fate;
    settlement.delay = delay;
    settlement.body = std::move(body);
    settlement.place = message.place;
    settlement.requeued = message.requeued;
    source->Settle({settlement});
  }
  Strings Bodies() const {
    Strings all;
    for (const auto& message : batch.messages) all.emplace_back(batch.body(message));
    return all;
  }
  /// Every message up to the end, finished.
  Strings All() {
    Strings all;
    for (Fetch(); batch.state == Batch::State::kMessages; Fetch()) {
      for (const auto& message : batch.messages) {
        all.emplace_back(batch.body(message));
        Settle(message, Fate::kFinish);
      }
    }
    return all;
  }

  EventLoop loop;
  FakeClock clock;
  std::filesystem::path folder;
  UnfinishedLine unfinished = UnfinishedLine::kRun;
  std::unique_ptr<Source> source;
  Batch batch;
  bool answered = false;
  std::vector<std::uint64_t> settled;
};

}  // namespace rivulet::test
