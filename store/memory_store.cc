#include "store/memory_store.h"

#include <fmt/format.h>

#include <charconv>
#include <random>
#include <utility>

#include "base/frames.h"

namespace rivulet {
namespace {

constexpr std::string_view kHead = "rivulet store 1\n";
constexpr std::size_t kShownBytes = 64;

std::uint64_t RandomWord() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

/// For an error message: quoted, cut, control bytes as \\xHH.
std::string Shown(std::string_view text) {
  std::string shown = "'";
  for (char c : text.substr(0, kShownBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(shown), "\\x{:02x}", byte);
    } else {
      shown += c;
    }
  }
  return shown + (text.size() > kShownBytes ? "'…" : "'");
}

/// A whole number of 64 bits as Increment() writes it: no plus, no leading zeros, no spaces.
std::optional<std::int64_t> ReadWhole(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  if (std::to_string(number) != text) return std::nullopt;
  return number;
}

Status Corrupt(std::string_view why) {
  return {StatusCode::kCorrupt, fmt::format("the saved store: {}", why)};
}

}  // namespace

MemoryStore::MemoryStore() : values_(EmptyValues()) {}

MemoryStore::Values MemoryStore::EmptyValues() {
  return Values(0, Hash{RandomWord(), RandomWord()});
}

Result<std::optional<std::string>> MemoryStore::Get(std::string_view key) {
  auto found = values_.find(key);
  if (found == values_.end()) return std::optional<std::string>();
  return std::optional<std::string>(found->second);
}

std::string& MemoryStore::At(std::string_view key) {
  auto found = values_.find(key);
  if (found == values_.end()) {
    found = values_.emplace(key, std::string()).first;
    bytes_ += key.size();
  }
  return found->second;
}

Status MemoryStore::Set(std::string_view key, std::string_view value) {
  std::string& at = At(key);
  bytes_ = bytes_ - at.size() + value.size();
  at.assign(value);
  return {};
}

Result<std::int64_t> MemoryStore::Increment(std::string_view key, std::int64_t by) {
  std::int64_t sum = by;
  if (auto found = values_.find(key); found != values_.end()) {
    auto number = ReadWhole(found->second);
    if (!number) {
      return InvalidArgument(fmt::format("key {} holds {}: it must be a whole number of 64 bits",
                                         Shown(key), Shown(found->second)));
    }
    if (__builtin_add_overflow(*number, by, &sum)) {
      return InvalidArgument(
          fmt::format("key {}: {} and {} must not leave 64 bits", Shown(key), *number, by));
    }
  }
  const fmt::format_int digits(sum);
  Status status = Set(key, {digits.data(), digits.size()});
  if (!status.ok()) return status;
  return sum;
}

Status MemoryStore::Delete(std::string_view key) {
  auto found = values_.find(key);
  if (found == values_.end()) return {};
  bytes_ -= found->first.size() + found->second.size();
  values_.erase(found);
  return {};
}

std::size_t MemoryStore::size() const { return values_.size(); }
std::size_t MemoryStore::bytes() const { return bytes_; }

std::string MemoryStore::Save() const {
  std::string saved;
  if (values_.empty()) return saved;
  std::size_t need = kHead.size();
  for (const auto& [key, value] : values_) need += FrameBytes(key) + FrameBytes(value);
  saved.reserve(need);
  saved += kHead;
  for (const auto& [key, value] : values_) {
    AppendFrame(&saved, key);
    AppendFrame(&saved, value);
  }
  return saved;
}

Status MemoryStore::Load(std::string_view saved) {
  Values values = EmptyValues();
  std::size_t bytes = 0;
  if (!saved.empty()) {
    if (!saved.starts_with(kHead)) return Corrupt("it must begin with 'rivulet store 1'");
    std::string_view rest = saved.substr(kHead.size());
    while (!rest.empty()) {
      auto key = TakeFrame(&rest);
      auto value = key ? TakeFrame(&rest) : std::nullopt;
      if (!value) {
        return Corrupt(
            fmt::format("no whole key and value at byte {}", saved.size() - rest.size()));
      }
      if (!values.emplace(*key, *value).second) {
        return Corrupt(fmt::format("the key {} stands there twice", Shown(*key)));
      }
      bytes += key->size() + value->size();
    }
  }
  values_ = std::move(values);
  bytes_ = bytes;
  return {};
}

}  // namespace rivulet
