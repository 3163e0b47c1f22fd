#include "store/held_values.h"

#include <cmath>

#include "store/store_batch.h"

namespace rivulet {
namespace {

constexpr int kSweptAtMost = 16;
constexpr std::size_t kScoreBytes = 8;

}  // namespace

std::size_t BytesOf(const HyperLogLog& sketch) {
  if (!sketch.exact()) return std::size_t{1} << sketch.precision();
  return 8 * static_cast<std::size_t>(std::lround(sketch.Estimate()));
}

const char* HeldValue::kind() const {
  constexpr const char* kKinds[] = {"a text", "a hash", "a sorted set", "a count of the distinct"};
  return kKinds[value.index()];
}

std::size_t HeldValue::bytes() const {
  std::size_t bytes = 0;
  if (const auto* scalar = std::get_if<Scalar>(&value)) return scalar->bytes();
  if (const auto* hash = std::get_if<std::unique_ptr<HashFields>>(&value)) {
    (*hash)->ForEach([&](std::uint32_t, std::string_view field, const Scalar& text) {
      bytes += field.size() + text.bytes();
    });
  } else if (const auto* sorted = std::get_if<std::unique_ptr<SortedSet>>(&value)) {
    (*sorted)->ForEach(
        [&](std::string_view member, double) { bytes += member.size() + kScoreBytes; });
  } else {
    bytes = BytesOf(std::get<std::unique_ptr<DistinctElements>>(value)->sketch);
  }
  return bytes;
}

std::int64_t HeldValues::now_ms() {
  if (now_ms_ == kNoTime) {
    now_ms_ =
        std::chrono::duration_cast<std::chrono::milliseconds>(clock_->WallNow().time_since_epoch())
            .count();
  }
  return now_ms_;
}

std::uint32_t HeldValues::FindExpiring(std::uint32_t at) {
  if (keys_.ValueAt(at).expires_ms > now_ms()) return at;
  RemoveExpired(at);
  return kNone;
}

// With a set goes what is kept of its decay.
void HeldValues::RemoveExpired(std::uint32_t at) {
  const std::uint32_t decays =
      keys_.ValueAt(at).sorted() != nullptr ? keys_.Find(StoreBatch::kDecayedKey) : kNone;
  HashFields* fields = decays == kNone ? nullptr : keys_.ValueAt(decays).hash();
  const std::uint32_t field = fields == nullptr ? kNone : fields->Find(keys_.KeyAt(at));
  if (field != kNone) {
    CountBytes(keys_.KeyAt(at).size() + fields->ValueAt(field).bytes(), 0);
    fields->Erase(field);
    Tidy(decays);
  }
  Remove(at);
}

HeldValue HeldValues::Take(std::uint32_t at) {
  const std::int64_t expires_ms = keys_.ValueAt(at).expires_ms;
  SetExpiry(at, 0);
  HeldValue taken = std::move(keys_.ValueAt(at));
  taken.expires_ms = expires_ms;
  bytes_ -= keys_.KeyAt(at).size() + taken.bytes();
  keys_.Erase(at);
  return taken;
}

void HeldValues::Tidy(std::uint32_t at) {
  HeldValue& value = keys_.ValueAt(at);
  const bool empty = (value.hash() != nullptr && value.hash()->empty()) ||
                     (value.sorted() != nullptr && value.sorted()->size() == 0);
  if (empty) Remove(at);
}

void HeldValues::SetExpiry(std::uint32_t at, std::int64_t expires_ms) {
  std::int64_t& held = keys_.ValueAt(at).expires_ms;
  if (held != 0) expiries_.erase({held, at});
  held = expires_ms;
  if (held != 0) expiries_.emplace(held, at);
}

void HeldValues::Sweep() {
  for (int i = 0; i < kSweptAtMost && !expiries_.empty(); ++i) {
    const auto [expires_ms, at] = *expiries_.begin();
    if (expires_ms > now_ms()) return;
    RemoveExpired(at);
  }
}

}  // namespace rivulet
