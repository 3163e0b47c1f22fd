// What a reader finds after a restart, three ways, told by the first byte:
//   file      the bytes are a checkpoint file: what is taken is what would be written
//   sections  the bytes stand between a right first line and a right checksum
//   ledger    the bytes are a saved ledger: what is taken can be saved, and says the same again
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "queuereader/runner/checkpoint.h"
#include "queuereader/runner/ledger.h"

namespace {

using namespace rivulet;

const std::vector<std::string> kNames = {"a", "b"};

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "checkpoint_fuzz: %s\n", what);
  std::abort();
}

void File(const std::string& bytes) {
  const auto sections = DecodeCheckpoint(bytes);
  if (!sections.ok()) {
    Require(sections.status().code() == StatusCode::kCorrupt, "another error");
  } else {
    Require(sections->count("end") != 0 || EncodeCheckpoint(*sections) == bytes,
            "what is written is not what was read");
  }
}

void Sections(std::string_view sections) {
  const std::string before = "rivulet checkpoint 1\n" + std::string(sections);
  const auto sum = crc32_z(0, reinterpret_cast<const unsigned char*>(before.data()), before.size());
  char line[32];
  std::snprintf(line, sizeof line, "end %08lx\n", sum);
  File(before + line);
}

void SavedLedger(std::string_view bytes) {
  Ledger ledger(1);
  const Status status = ledger.Load(bytes, kNames);
  if (!status.ok()) {
    Require(status.code() == StatusCode::kCorrupt, "another error");
    return;
  }
  const std::string saved = ledger.Save(kNames);
  Ledger again(2);
  Require(again.Load(saved, kNames).ok(), "what was saved is refused");
  Require(again.Save(kNames) == saved, "what was saved twice is not the same");
  Require(again.counts().covered == ledger.counts().covered &&
              again.counts().awaited == ledger.counts().awaited,
          "decisions that came or went");
  std::vector<Settlement> settlements;
  again.TakeCovered(SIZE_MAX, 0, WallTime{}, &settlements);
  for (const Settlement& settlement : settlements) {
    again.OnSettled(settlement.token, Settled::kDone);
  }
  Require(again.counts().covered + again.counts().settling == 0, "what could not be settled");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      File(std::string(bytes));
      break;
    case 1:
      Sections(bytes);
      break;
    default:
      SavedLedger(bytes);
  }
  return 0;
}
