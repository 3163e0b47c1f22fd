#include "store/memory_saved.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "algorithms/bytes.h"
#include "base/frames.h"
#include "store/memory_commands.h"
#include "store/store_text.h"

namespace rivulet {
namespace {

constexpr std::string_view kHead = "rivulet store 2\n";
constexpr std::string_view kFirstHead = "rivulet store 1\n";
constexpr char kText = 't';
constexpr char kHash = 'h';
constexpr char kSorted = 's';
constexpr char kDistinct = 'd';

Status Corrupt(std::string_view why) {
  return {StatusCode::kCorrupt, fmt::format("the saved store: {}", why)};
}

void PutBytes(std::string* out, std::string_view bytes) {
  PutUint64(out, bytes.size());
  out->append(bytes);
}

std::string_view TakeBytes(ByteReader* reader) { return reader->Bytes(reader->Uint64()); }

void SaveValue(std::string_view key, HeldValue& value, std::string* out) {
  const auto begin = [&](char mark) {
    out->push_back(mark);
    PutUint64(out, static_cast<std::uint64_t>(value.expires_ms));
    PutBytes(out, key);
  };
  if (const Scalar* scalar = value.scalar()) {
    begin(kText);
    PutBytes(out, scalar->Text());
  } else if (const HashFields* hash = value.hash()) {
    begin(kHash);
    PutUint64(out, hash->size());
    hash->ForEach([&](std::uint32_t, std::string_view field, const Scalar& text) {
      PutBytes(out, field);
      PutBytes(out, text.Text());
    });
  } else if (const SortedSet* sorted = value.sorted()) {
    begin(kSorted);
    PutUint64(out, sorted->size());
    sorted->ForEach([&](std::string_view member, double score) {
      PutBytes(out, member);
      PutDouble(out, score);
    });
  } else {
    begin(kDistinct);
    PutBytes(out, value.distinct()->sketch.Save());
  }
}

/// False where it is none.
bool LoadHash(ByteReader* reader, HashFields* fields) {
  const std::uint64_t count = reader->Uint64();
  for (std::uint64_t i = 0; i < count && reader->ok(); ++i) {
    const auto [at, made] = fields->Insert(TakeBytes(reader));
    if (!made) return false;
    fields->ValueAt(at) = Scalar(TakeBytes(reader));
  }
  return reader->ok() && count > 0;
}

bool LoadSorted(ByteReader* reader, SortedSet* sorted) {
  const std::uint64_t count = reader->Uint64();
  for (std::uint64_t i = 0; i < count && reader->ok(); ++i) {
    const std::string_view member = TakeBytes(reader);
    const double score = reader->Double();
    if (!std::isfinite(score) || !sorted->Set(member, score)) return false;
  }
  return reader->ok() && count > 0;
}

/// Nothing where `mark` begins no value, or what follows is none.
std::optional<HeldValue> LoadValue(char mark, const HeldValues& held, ByteReader* reader) {
  HeldValue value;
  if (mark == kText) {
    value.value = Scalar(TakeBytes(reader));
  } else if (mark == kHash) {
    value.value = held.NewHash();
    if (!LoadHash(reader, value.hash())) return std::nullopt;
  } else if (mark == kSorted) {
    value.value = held.NewSorted();
    if (!LoadSorted(reader, value.sorted())) return std::nullopt;
  } else if (mark == kDistinct) {
    auto sketch = HyperLogLog::Load(TakeBytes(reader));
    if (!sketch) return std::nullopt;
    value.value = std::make_unique<DistinctElements>(DistinctElements{std::move(*sketch)});
  } else {
    return std::nullopt;
  }
  return value;
}

Status Put(std::string_view key, HeldValue value, std::int64_t expires_ms, HeldValues* held) {
  if (held->Holds(key))
    return Corrupt(fmt::format("the key {} stands there twice", ShownBytes(key)));
  const std::uint32_t at = held->Make(key);
  held->CountBytes(0, value.bytes());
  held->At(at) = std::move(value);
  held->SetExpiry(at, expires_ms);
  return {};
}

Status LoadFirstFormat(std::string_view saved, HeldValues* held) {
  std::string_view rest = saved.substr(kFirstHead.size());
  while (!rest.empty()) {
    const auto key = TakeFrame(&rest);
    const auto text = key ? TakeFrame(&rest) : std::nullopt;
    if (!text) {
      return Corrupt(fmt::format("no whole key and value at byte {}", saved.size() - rest.size()));
    }
    HeldValue value;
    value.value = Scalar(*text);
    if (Status status = Put(*key, std::move(value), 0, held); !status.ok()) return status;
  }
  return {};
}

Status LoadRecord(ByteReader* reader, MemoryCommands* loaded) {
  const char mark = reader->Bytes(1).front();
  if (mark == OnceIds::kChunkMark || mark == OnceIds::kScopeMark) {
    const bool whole = mark == OnceIds::kChunkMark ? loaded->once().LoadChunk(reader)
                                                   : loaded->once().LoadScope(reader);
    return whole ? Status() : Corrupt("ids that have come are not whole");
  }
  const auto expires_ms = static_cast<std::int64_t>(reader->Uint64());
  const std::string_view key = TakeBytes(reader);
  auto value = LoadValue(mark, loaded->held(), reader);
  if (!value || !reader->ok()) {
    return Corrupt(fmt::format("what is at the key {} is not whole", ShownBytes(key)));
  }
  return Put(key, std::move(*value), expires_ms, &loaded->held());
}

}  // namespace

std::string SaveMemory(MemoryCommands& commands) {
  std::string saved;
  if (commands.held().size() == 0 && commands.once().empty()) return saved;
  saved.reserve(kHead.size() + 2 * commands.held().bytes());
  saved += kHead;
  commands.held().ForEach(
      [&](std::string_view key, HeldValue& value) { SaveValue(key, value, &saved); });
  commands.once().Save(&saved);
  // All that there was has expired.
  if (saved.size() == kHead.size()) saved.clear();
  return saved;
}

Status LoadMemory(std::string_view saved, MemoryCommands* loaded) {
  if (saved.empty()) return {};
  if (saved.starts_with(kFirstHead)) return LoadFirstFormat(saved, &loaded->held());
  if (!saved.starts_with(kHead)) {
    return Corrupt("it must begin with 'rivulet store 2' or 'rivulet store 1'");
  }
  ByteReader reader(saved.substr(kHead.size()));
  while (!reader.Finished()) {
    if (Status status = LoadRecord(&reader, loaded); !status.ok()) return status;
  }
  return {};
}

}  // namespace rivulet
