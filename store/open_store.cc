#include "store/open_store.h"

#include <fmt/format.h>

#include <utility>

#include "store/file_store.h"
#include "store/memory_store.h"
#include "store/redis_store.h"
#include "store/store_url.h"

namespace rivulet {
namespace {

constexpr std::string_view kForms =
    "memory:, file:DIR, redis://[USER:PASSWORD@]HOST[:PORT][/DB] or "
    "redis+unix://[USER:PASSWORD@]/PATH[?db=N]";

template <typename Opened>
Result<std::unique_ptr<HostedStore>> Hosted(Result<std::unique_ptr<Opened>> store) {
  if (!store.ok()) return store.status();
  return std::unique_ptr<HostedStore>(std::move(*store));
}

Result<std::unique_ptr<HostedStore>> OpenFile(std::string_view url, std::string_view rest,
                                              const StoreOptions& options) {
  FileStoreOptions file;
  for (const auto& [name, value] : TakeUrlParameters(&rest)) {
    if (name != "sync") return StoreUrlError(url, fmt::format("'{}' must be sync", name));
    if (value != "always" && value != "none") {
      return StoreUrlError(url, fmt::format("sync={} must be always or none", value));
    }
    file.sync = value == "none" ? FileStoreSync::kNone : FileStoreSync::kAlways;
  }
  const auto folder = DecodedUrlPart(rest);
  if (!folder || folder->empty()) {
    return StoreUrlError(url, folder ? "there must be a folder, as in file:/var/lib/rivulet/store"
                                     : "a % must be followed by two hexadecimal digits, not 00");
  }
  file.folder = *folder;
  file.read_only = options.read_only;
  file.clock = options.clock;
  return Hosted(FileStore::Open(file));
}

Result<std::unique_ptr<HostedStore>> OpenRedis(std::string_view url, const StoreOptions& options) {
  auto address = OpenRedisUrl(url, options.password_file);
  if (!address.ok()) return address.status();
  return Hosted(RedisStore::Open(std::move(*address),
                                 {.clock = options.clock, .patience = options.patience}));
}

}  // namespace

Result<std::unique_ptr<HostedStore>> OpenStore(std::string_view url, const StoreOptions& options) {
  constexpr std::string_view kMemory = "memory:";
  constexpr std::string_view kFile = "file:";
  const bool is_local = url.starts_with(kMemory) || url.starts_with(kFile);
  if (is_local && !options.password_file.empty()) {
    return StoreUrlError(url, "a password file goes with redis://HOST alone");
  }
  if (url == kMemory) {
    return std::unique_ptr<HostedStore>(std::make_unique<MemoryStore>(*options.clock));
  }
  if (url.starts_with(kMemory)) return StoreUrlError(url, "nothing may stand after memory:");
  if (url.starts_with(kFile)) return OpenFile(url, url.substr(kFile.size()), options);
  if (url.starts_with("redis://") || url.starts_with("redis+unix://")) {
    return OpenRedis(url, options);
  }
  return StoreUrlError(url, fmt::format("it must be {}", kForms));
}

std::string ShownStoreUrl(std::string_view url) {
  const std::size_t mark = url.find("://");
  if (mark == std::string_view::npos) return std::string(url);
  const std::size_t begin = mark + 3;
  // Also where the password holds what it must not.
  const std::size_t at = url.substr(begin).starts_with('/') ? url.npos : url.rfind('@');
  const std::size_t colon = url.find(':', begin);
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) {
    return std::string(url);
  }
  return std::string(url.substr(0, colon)) + std::string(url.substr(at));
}

}  // namespace rivulet
