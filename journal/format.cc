#include "journal/format.h"

#include <cassert>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace rivulet {

namespace {

constexpr std::string_view kMagic = "rivuletJ";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint16_t kMark = 0x4a72;
constexpr std::uint16_t kVoidFlag = 1;
constexpr std::string_view kSuffix = ".journal";
constexpr std::size_t kCheckBytes = 4;
constexpr std::size_t kDigits = 20;
constexpr std::size_t kOwnerBytes = 16;

template <typename T>
void Store(char* at, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    at[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
  }
}

template <typename T>
T Load(const char* at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
  }
  return static_cast<T>(value);
}

std::uint32_t Check(const char* bytes, std::size_t size, std::uint64_t seed) {
  return static_cast<std::uint32_t>(XXH3_64bits_withSeed(bytes, size, seed));
}

/// The check lies first and covers what follows it.
std::uint32_t CheckOf(const char* batch, std::size_t batch_bytes, std::uint64_t salt,
                      std::uint64_t position) {
  return Check(batch + kCheckBytes, batch_bytes - kCheckBytes, salt + position);
}

}  // namespace

std::string SegmentName(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(kDigits - digits.size(), '0') + digits + std::string(kSuffix);
}

std::optional<std::uint64_t> SegmentNumber(std::string_view name) {
  if (name.size() != kDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : name.substr(0, kDigits)) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (number > (UINT64_MAX - digit) / 10) return std::nullopt;
    number = number * 10 + digit;
  }
  return number;
}

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  assert(header.owner.size() <= kOwnerBytes);
  std::string bytes(kSegmentHeaderBytes, '\0');
  char* const at = bytes.data();
  std::memcpy(at, kMagic.data(), kMagic.size());
  Store(at + 8, kVersion);
  Store(at + 16, header.number);
  Store(at + 24, header.start);
  Store(at + 32, header.oldest);
  Store(at + 40, header.salt);
  header.owner.copy(at + 48, kOwnerBytes);  // the rest is NULs
  Store(at + 12, Check(at, bytes.size(), 0));
  return bytes;
}

std::optional<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return std::nullopt;
  std::string copy(bytes.substr(0, kSegmentHeaderBytes));
  char* const at = copy.data();
  const auto check = Load<std::uint32_t>(at + 12);
  Store(at + 12, std::uint32_t{0});
  if (!copy.starts_with(kMagic) || Load<std::uint32_t>(at + 8) != kVersion ||
      Check(at, copy.size(), 0) != check) {
    return std::nullopt;
  }
  SegmentHeader header;
  header.number = Load<std::uint64_t>(at + 16);
  header.start = Load<std::uint64_t>(at + 24);
  header.oldest = Load<std::uint64_t>(at + 32);
  header.salt = Load<std::uint64_t>(at + 40);
  header.owner = copy.substr(48, kOwnerBytes);
  header.owner.resize(header.owner.find_last_not_of('\0') + 1);
  return header;
}

void SealBatch(char* batch, std::size_t batch_bytes, std::uint64_t salt, std::uint64_t position,
               std::uint64_t synced, bool is_void) {
  assert(batch_bytes >= kBatchHeaderBytes && batch_bytes - kBatchHeaderBytes <= kMaxBatchBytes);
  const std::uint64_t back = position > synced ? position - synced : 0;
  Store(batch + 4, static_cast<std::uint32_t>(batch_bytes - kBatchHeaderBytes));
  Store(batch + 8, back < kSyncedUnknown ? static_cast<std::uint32_t>(back) : kSyncedUnknown);
  Store(batch + 12, is_void ? kVoidFlag : std::uint16_t{0});
  Store(batch + 14, kMark);
  Store(batch, CheckOf(batch, batch_bytes, salt, position));
}

std::optional<BatchHeader> PeekBatch(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes) return std::nullopt;
  const char* const at = bytes.data();
  const auto flags = Load<std::uint16_t>(at + 12);
  BatchHeader header{Load<std::uint32_t>(at + 4), Load<std::uint32_t>(at + 8),
                     (flags & kVoidFlag) != 0};
  if (Load<std::uint16_t>(at + 14) != kMark || (flags & ~kVoidFlag) != 0 ||
      header.bytes > kMaxBatchBytes) {
    return std::nullopt;
  }
  return header;
}

std::optional<BatchHeader> CheckBatch(std::string_view bytes, std::uint64_t salt,
                                      std::uint64_t position) {
  const auto header = PeekBatch(bytes);
  if (!header || header->bytes > bytes.size() - kBatchHeaderBytes) return std::nullopt;
  const std::size_t whole = kBatchHeaderBytes + header->bytes;
  const std::uint32_t check = CheckOf(bytes.data(), whole, salt, position);
  if (check != Load<std::uint32_t>(bytes.data())) return std::nullopt;
  return header;
}

struct BatchCheck::State {
  XXH3_state_t hash;
  std::uint32_t wanted = 0;
};

BatchCheck::BatchCheck(std::string_view header, std::uint64_t salt, std::uint64_t position)
    : state_(std::make_unique<State>()) {
  assert(header.size() == kBatchHeaderBytes);
  state_->wanted = Load<std::uint32_t>(header.data());
  XXH3_64bits_reset_withSeed(&state_->hash, salt + position);
  Add(header.substr(kCheckBytes));
}

BatchCheck::~BatchCheck() = default;

void BatchCheck::Add(std::string_view records) {
  XXH3_64bits_update(&state_->hash, records.data(), records.size());
}

bool BatchCheck::Passes() const {
  return static_cast<std::uint32_t>(XXH3_64bits_digest(&state_->hash)) == state_->wanted;
}

void AppendVarint(std::string* out, std::uint64_t value) {
  char buffer[10];
  std::size_t size = 0;
  while (value >= 0x80) {
    buffer[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  buffer[size++] = static_cast<char>(value);
  out->append(buffer, size);
}

std::optional<std::uint64_t> TakeVarint(std::string_view* bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes->size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>((*bytes)[i]);
    // The tenth byte has room for one bit.
    if (i == 9 && byte > 1) return std::nullopt;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes->remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> TakeRecord(std::string_view* records) {
  std::string_view rest = *records;
  const auto size = TakeVarint(&rest);
  if (!size || *size > rest.size()) return std::nullopt;
  const std::string_view record = rest.substr(0, *size);
  *records = rest.substr(record.size());
  return record;
}

}  // namespace rivulet
