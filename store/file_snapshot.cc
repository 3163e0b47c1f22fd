#include "store/file_snapshot.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstring>

#include "journal/segment_files.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace rivulet {

namespace {

constexpr char kMagic[8] = {'r', 'i', 'v', 'u', 'l', 'e', 't', 'S'};
constexpr std::uint32_t kVersion = 1;

struct Head {
  char magic[8];
  std::uint32_t version;
  std::uint32_t none;
  std::uint64_t check;
  std::uint64_t segment;
  std::uint64_t position;
  std::int64_t time;
  std::uint64_t bytes;
};
static_assert(sizeof(Head) == 56);

std::uint64_t CheckOf(Head head, std::string_view saved) {
  head.check = 0;
  const std::uint64_t seed = XXH3_64bits(&head, sizeof head);
  return XXH3_64bits_withSeed(saved.data(), saved.size(), seed);
}

Status Damaged(const std::string& path, std::size_t offset, std::string_view what) {
  return {StatusCode::kCorrupt, fmt::format("{}:{}: {}", path, offset, what)};
}

}  // namespace

std::string EncodeFileSnapshot(const FileSnapshot& snapshot) {
  Head head{};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.version = kVersion;
  head.segment = snapshot.segment;
  head.position = snapshot.position;
  head.time = snapshot.time.time_since_epoch().count();
  head.bytes = snapshot.saved.size();
  head.check = CheckOf(head, snapshot.saved);
  std::string bytes;
  bytes.reserve(sizeof head + snapshot.saved.size());
  bytes.resize(sizeof head);
  std::memcpy(bytes.data(), &head, sizeof head);
  return bytes.append(snapshot.saved);
}

Result<FileSnapshot> DecodeFileSnapshot(std::string_view bytes, const std::string& path) {
  Head head{};
  if (bytes.size() < sizeof head) return Damaged(path, bytes.size(), "the snapshot ends too early");
  std::memcpy(&head, bytes.data(), sizeof head);
  if (std::memcmp(head.magic, kMagic, sizeof kMagic) != 0) {
    return Damaged(path, 0, "not the snapshot of a store");
  }
  if (head.version != kVersion) {
    return InvalidArgument(fmt::format("{}: a snapshot of format {}; this program reads format {}",
                                       path, head.version, kVersion));
  }
  const std::string_view saved = bytes.substr(sizeof head);
  if (head.bytes != saved.size()) {
    return Damaged(
        path, bytes.size(),
        fmt::format("the snapshot holds {} bytes and should hold {}", saved.size(), head.bytes));
  }
  if (head.check != CheckOf(head, saved)) return Damaged(path, 0, "the snapshot is damaged");
  return FileSnapshot{head.segment, head.position, WallTime(Duration(head.time)),
                      std::string(saved)};
}

Result<std::optional<FileSnapshot>> ReadFileSnapshot(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::optional<FileSnapshot>();
  const auto bytes = ReadFileBytes(path);
  if (!bytes.ok()) return bytes.status();
  auto snapshot = DecodeFileSnapshot(*bytes, path);
  if (!snapshot.ok()) return snapshot.status();
  return std::optional<FileSnapshot>(std::move(*snapshot));
}

}  // namespace rivulet
