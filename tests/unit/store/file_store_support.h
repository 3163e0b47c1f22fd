// What the tests of the file store share: a store in a folder that can be closed and opened again.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "store/file_store.h"
#include "tests/unit/journal/support.h"

namespace rivulet::file_store_test {

using journal_test::FaultyDisk;
using journal_test::ReadFile;
using journal_test::TempFolder;
using journal_test::WriteFile;

struct Folder {
  Folder() {
    options.folder = folder.path();
    options.clock = &clock;
    options.disk = &disk;
  }

  /// What was open is closed first.
  Status TryOpen() {
    store.reset();
    auto opened = FileStore::Open(options);
    if (!opened.ok()) return opened.status();
    store = std::move(*opened);
    return Status::Ok();
  }
  void Open() {
    const Status status = TryOpen();
    INFO(status.message());
    REQUIRE(status.ok());
  }
  /// As after kill -9: what is in the files now, opened beside the store that has them.
  void CopyTo(Folder* other) const {
    std::filesystem::copy(folder.path(), other->folder.path(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
  }
  void Replace(const std::string& name, std::string_view bytes) const {
    WriteFile(folder.File(name), bytes);
  }
  std::uint64_t Bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      bytes += entry.file_size();
    }
    return bytes;
  }

  std::string Text(const std::string& key) const {
    auto text = store->Get(key);
    INFO(text.status().message());
    REQUIRE(text.ok());
    return text->value_or("(none)");
  }

  TempFolder folder;
  FaultyDisk disk;
  FakeClock clock;
  FileStoreOptions options;
  std::unique_ptr<FileStore> store;
};

}  // namespace rivulet::file_store_test
