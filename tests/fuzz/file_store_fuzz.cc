// Opening a file store's folder, three ways, told by the first byte:
//   snapshot  the bytes are the file "snapshot", as they are or as the contents of a good one
//   segment   the bytes are those of a segment behind a good header
//   records   the bytes are the record of a good batch: what a journal says was run
// Nothing crashes. What is opened is opened again, and holds the same; and it can be read beside.
#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "journal/format.h"
#include "store/file_snapshot.h"
#include "store/file_store.h"

namespace {

using namespace rivulet;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "file_store_fuzz: %s\n", what);
  std::abort();
}

class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::exists("/dev/shm") ? "/dev/shm/file_store_fuzz.XXXXXX"
                                                              : "/tmp/file_store_fuzz.XXXXXX";
    Require(mkdtemp(pattern.data()) != nullptr, "no temporary folder");
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  void Empty() const {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      std::filesystem::remove(entry.path());
    }
  }
  void Write(const std::string& name, std::string_view bytes) const {
    std::ofstream file(path_ + "/" + name, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

 private:
  std::string path_;
};

std::string Segment(std::string_view batches) {
  return EncodeSegmentHeader({1, 0, 1, 7, "store"}) + std::string(batches);
}

std::string Batch(std::string_view record) {
  std::string batch(kBatchHeaderBytes, '\0');
  AppendVarint(&batch, record.size());
  batch += record;
  SealBatch(batch.data(), batch.size(), 7, 0, 0);
  return batch;
}

std::vector<std::string> AllKeys(FileStore& store) {
  std::vector<std::string> all;
  for (const auto kind : {StoreKind::kText, StoreKind::kHash, StoreKind::kSorted}) {
    auto keys = store.Keys("", kind, 1 << 20);
    Require(keys.ok(), "keys that cannot be listed");
    all.insert(all.end(), keys->begin(), keys->end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const Folder folder;
  static const FakeClock clock;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  folder.Empty();
  switch (data[0] % 4) {
    case 0:
      folder.Write("snapshot", bytes);
      break;
    case 1:
      folder.Write("snapshot", EncodeFileSnapshot({1, 0, {}, std::string(bytes)}));
      break;
    case 2:
      folder.Write(SegmentName(1), Segment(bytes));
      break;
    default:
      folder.Write(SegmentName(1), Segment(Batch(bytes)));
      break;
  }
  FileStoreOptions options;
  options.folder = folder.path();
  options.clock = &clock;
  options.sync = FileStoreSync::kNone;
  auto opened = FileStore::Open(options);
  if (!opened.ok()) return 0;
  const auto keys = AllKeys(**opened);
  Require((*opened)->Set("fuzz", "1").ok(), "a store that was opened and takes nothing");
  Require((*opened)->Delete("fuzz").ok(), "a key that cannot be deleted");
  options.read_only = true;
  Require(FileStore::Open(options).ok(), "a store that cannot be read beside");
  opened = Status(StatusCode::kUnavailable, "closed");
  options.read_only = false;
  auto again = FileStore::Open(options);
  Require(again.ok(), "a store that was opened once and not again");
  const bool had = std::find(keys.begin(), keys.end(), "fuzz") != keys.end();
  if (!had) Require(AllKeys(**again) == keys, "a store that holds something else");
  return 0;
}
