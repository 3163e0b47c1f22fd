#include "store/store_text.h"

#include <fmt/format.h>

namespace rivulet {
namespace {

constexpr std::size_t kShownBytes = 64;

std::string Place(std::string_view key, const std::string_view* field) {
  if (field == nullptr) return "key " + ShownBytes(key);
  return fmt::format("key {}, field {}", ShownBytes(key), ShownBytes(*field));
}

}  // namespace

std::string ShownBytes(std::string_view bytes) {
  std::string shown = "'";
  for (const char c : bytes.substr(0, kShownBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      shown += fmt::format("\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  return shown + (bytes.size() > kShownBytes ? "'…" : "'");
}

Status WrongKind(std::string_view key, std::string_view holds, std::string_view needs) {
  return InvalidArgument(fmt::format("key {} holds {}, and not {}", ShownBytes(key), holds, needs));
}

Status NotWhole(std::string_view key, const std::string_view* field, std::string_view holds) {
  return InvalidArgument(fmt::format("{} holds {}: it must be a whole number of 64 bits",
                                     Place(key, field), ShownBytes(holds)));
}

Status NotNumber(std::string_view key, std::string_view field, std::string_view holds) {
  return InvalidArgument(
      fmt::format("{} holds {}: it must be a number", Place(key, &field), ShownBytes(holds)));
}

Status LeavesWhole(std::string_view key, const std::string_view* field, std::int64_t held,
                   std::int64_t by) {
  return InvalidArgument(
      fmt::format("{}: the sum of {} and {} must not leave 64 bits", Place(key, field), held, by));
}

Status LeavesNumbers(std::string_view key, std::string_view field) {
  return InvalidArgument(fmt::format("{}: the sum must be a finite number", Place(key, &field)));
}

Status NoCapacity(std::string_view key, std::int64_t capacity) {
  return InvalidArgument(
      fmt::format("key {}: a capacity of {} must be at least 1", ShownBytes(key), capacity));
}

Status NoNumbers(std::string_view key, std::string_view field) {
  return InvalidArgument(fmt::format("{}: what is added must be at most {} finite numbers",
                                     Place(key, &field), StoreBatch::kMaxNumbers));
}

Status NotNumbers(std::string_view key, std::string_view field) {
  return InvalidArgument(fmt::format("{}: it must hold at most {} finite numbers of 8 bytes each",
                                     Place(key, &field), StoreBatch::kMaxNumbers));
}

Status NoMoments(std::string_view key) {
  return InvalidArgument(
      fmt::format("key {}: what is merged must be the Save() of moments that are finite, with m2 "
                  "at least 0 and min at most max",
                  ShownBytes(key)));
}

Status NoDecay(std::string_view key) {
  return InvalidArgument(
      fmt::format("key {}: a half-life must be above 0, and the times finite", ShownBytes(key)));
}

Status KeyOfDecays(std::string_view key) {
  return InvalidArgument(
      fmt::format("key {}: the store keeps the half-lives there, a decayed set must be at another",
                  ShownBytes(key)));
}

Status OnlyAtomic(std::string_view key) {
  return InvalidArgument(fmt::format(
      "key {}: Once, Admit and Require must stand in an atomic batch", ShownBytes(key)));
}

Status NoSuchCommand(std::string_view key, StoreOp op) {
  return InvalidArgument(fmt::format("key {}: command {} must be one of store_batch.h",
                                     ShownBytes(key), static_cast<int>(op)));
}

Status Conflict(std::string_view key, std::string_view required) {
  return {StatusCode::kConflict, fmt::format("key {} must {}", ShownBytes(key), required)};
}

}  // namespace rivulet
