#include "tasks/sum.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tasks/saved_state.h"

namespace rivulet {

namespace {

constexpr std::string_view kFormat = "sum 1";
// Every integer up to here is a double.
constexpr double kExact = 9007199254740992.0;  // 2^53

__extension__ using Uint128 = unsigned __int128;

/// The integer that JSON text is, where it is one and fits.
std::optional<Int128> ParseInteger(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  Int128 value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const Int128 digit = negative ? -(c - '0') : c - '0';
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value)) {
      return std::nullopt;
    }
  }
  return text.empty() ? std::nullopt : std::optional<Int128>(value);
}

std::string Decimal(Int128 value) {
  // The absolute value of the least does not fit with a sign.
  auto rest = value < 0 ? -static_cast<Uint128>(value) : static_cast<Uint128>(value);
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0);
  if (value < 0) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace

void CompensatedSum::Add(double x) {
  const double t = sum + x;
  lost += std::abs(sum) >= std::abs(x) ? (sum - t) + x : (x - t) + sum;
  sum = t;
}

double CompensatedSum::value() const {
  // Beyond the greatest double nothing can be told of what was lost.
  return std::isfinite(sum) ? sum + lost : sum;
}

SumTask::SumTask(TaskArgs& args) : field_(args.RequiredText("field")), reader_(field_) {}

Outcome SumTask::Run(const Message& message, Context&) {
  const auto x = message.Number(field_);
  if (!x || !std::isfinite(*x)) {
    ++skipped_;
    return Outcome::Done();
  }
  ++count_;
  if (std::abs(*x) >= kExact) {
    AddLarge(message, *x);
  } else if (*x != std::trunc(*x) || !AddInteger(static_cast<std::int64_t>(*x))) {
    others_.Add(*x);
    only_integers_ = false;
  }
  return Outcome::Done();
}

bool SumTask::AddInteger(Int128 x) { return !__builtin_add_overflow(integers_, x, &integers_); }

void SumTask::AddLarge(const Message& message, double rounded) {
  // A document has rounded it; its text has all digits.
  if (reader_.Read(message.text()) == JsonFieldReader::Found::kText) {
    const auto integer = ParseInteger(reader_.text());
    if (integer && AddInteger(*integer)) return;
  }
  others_.Add(rounded);
  only_integers_ = false;
}

std::string SumTask::Save() const {
  std::string bytes = BeginState(kFormat, Arguments());
  const auto integers = static_cast<Uint128>(integers_);
  for (const std::uint64_t number :
       {count_, skipped_, static_cast<std::uint64_t>(integers),
        static_cast<std::uint64_t>(integers >> 64), std::uint64_t{only_integers_ ? 1u : 0u}}) {
    PutUint64(&bytes, number);
  }
  PutDouble(&bytes, others_.sum);
  PutDouble(&bytes, others_.lost);
  return bytes;
}

Status SumTask::Load(std::string_view saved) {
  const auto state = OpenState(saved, kFormat, Arguments());
  if (!state.ok()) return state.status();
  ByteReader bytes(*state);
  count_ = bytes.Uint64();
  skipped_ = bytes.Uint64();
  const Uint128 low = bytes.Uint64();
  const Uint128 high = bytes.Uint64();
  integers_ = static_cast<Int128>(high << 64 | low);
  only_integers_ = bytes.Uint64() != 0;
  others_.sum = bytes.Double();
  others_.lost = bytes.Double();
  return bytes.Finished() ? Status() : DamagedState(kFormat);
}

void SumTask::Summarize(Summary& summary) const {
  summary.Count("count", count_);
  summary.Count("skipped", skipped_);
  constexpr auto kMaxCount = std::numeric_limits<std::uint64_t>::max();
  if (only_integers_ && integers_ >= 0 && integers_ <= Int128{kMaxCount}) {
    return summary.Count("sum", static_cast<std::uint64_t>(integers_));
  }
  CompensatedSum all = others_;
  const auto high = static_cast<double>(integers_);
  all.Add(high);
  // The greatest 128-bit integers round up to what is none.
  const bool whole = std::abs(high) < 0x1p127;
  if (whole) all.Add(static_cast<double>(integers_ - static_cast<Int128>(high)));
  summary.Number("sum", all.value());
  if (only_integers_ && std::abs(high) > kExact) summary.Text("exact", Decimal(integers_));
}

}  // namespace rivulet
