#include "simplequeue/receipt.h"

#include <charconv>
#include <limits>

#include "http/syntax.h"

namespace rivulet {

namespace {

constexpr int kEpochDigits = 8;

// Takes a number and the '-' behind it off the text. By hand, because receipts come by the hundred,
// and most of std::from_chars is for what they cannot hold.
template <typename Number>
bool TakeNumber(const char** at, const char* end, Number* number) {
  constexpr int kSafeDigits = 19;  // fit into 64 bits, whatever they are
  const char* const begin = *at;
  const char* next = begin;
  std::uint64_t value = 0;
  for (; next != end && IsDigit(*next); ++next) {
    const auto digit = static_cast<unsigned>(*next - '0');
    if (next - begin >= kSafeDigits && value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  if (next == begin || next == end || *next != '-') return false;
  if (value > std::numeric_limits<Number>::max()) return false;
  *number = static_cast<Number>(value);
  *at = next + 1;
  return true;
}

template <typename Number>
char* WriteNumber(char* at, Number number) {
  at = std::to_chars(at, at + 20, number).ptr;
  *at++ = '-';
  return at;
}

}  // namespace

std::optional<Receipt> ParseReceipt(std::string_view text) {
  Receipt receipt;
  const char* at = text.data();
  const char* const end = at + text.size();
  if (text.size() > kMaxReceiptBytes || !TakeNumber(&at, end, &receipt.queue) ||
      !TakeNumber(&at, end, &receipt.holding.id) ||
      !TakeNumber(&at, end, &receipt.holding.number) || end - at != kEpochDigits) {
    return std::nullopt;
  }
  for (; at != end; ++at) {
    const int digit = HexDigit(*at);
    if (digit < 0) return std::nullopt;
    receipt.epoch = receipt.epoch << 4 | static_cast<std::uint32_t>(digit);
  }
  return receipt;
}

void AppendReceipt(std::string* out, const Receipt& receipt) {
  constexpr char kHex[] = "0123456789abcdef";
  char text[kMaxReceiptBytes + 20];
  char* at = WriteNumber(text, receipt.queue);
  at = WriteNumber(at, receipt.holding.id);
  at = WriteNumber(at, receipt.holding.number);
  for (int shift = 4 * kEpochDigits - 4; shift >= 0; shift -= 4)
    *at++ = kHex[(receipt.epoch >> shift) & 0xf];
  out->append(text, static_cast<std::size_t>(at - text));
}

}  // namespace rivulet
