#include "queuereader/source/frames.h"

#include <algorithm>
#include <charconv>

#include "algorithms/siphash.h"
#include "base/frames.h"

namespace rivulet {
namespace {

constexpr std::size_t kEpochDigits = 8;
constexpr std::size_t kIdentityDigits = 16;

// Takes a number and the byte behind it off the text.
template <typename Number>
bool TakeNumber(std::string_view* text, char behind, Number* number) {
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, *number);
  if (error != std::errc() || stop == end || *stop != behind) return false;
  text->remove_prefix(static_cast<std::size_t>(stop - text->data()) + 1);
  return true;
}

/// 16 digits, as a data path's identity is told; its first bit is set.
bool ReadIdentity(std::string_view text, std::uint64_t* identity) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *identity, 16);
  return text.size() == kIdentityDigits && error == std::errc() && stop == end;
}

bool ReadEpoch(std::string_view text, std::uint32_t* epoch) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *epoch, 16);
  return text.size() == kEpochDigits && error == std::errc() && stop == end;
}

}  // namespace

std::size_t CutFrames(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out) {
  std::string_view rest = answer;
  while (const auto message = TakeFrame(&rest)) {
    Delivery delivery;
    delivery.offset = static_cast<std::size_t>(message->data() - answer.data());
    delivery.size = message->size();
    delivery.origin = origin;
    out->push_back(delivery);
  }
  return answer.size() - rest.size();
}

std::size_t CutLeases(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out) {
  std::size_t used = 0;
  for (;;) {
    std::string_view rest = answer.substr(used);
    const std::size_t receipt_size = std::min(rest.find(' '), rest.size());
    const auto receipt = ReadReceipt(rest.substr(0, receipt_size));
    if (!receipt || receipt_size == rest.size()) return used;
    rest.remove_prefix(receipt_size + 1);
    Delivery delivery;
    if (!TakeNumber(&rest, ' ', &delivery.attempts)) return used;
    const auto message = TakeFrame(&rest);
    if (!message) return used;
    delivery.offset = static_cast<std::size_t>(message->data() - answer.data());
    delivery.size = message->size();
    delivery.origin = origin;
    delivery.id = receipt->id;
    delivery.receipt_offset = used;
    delivery.receipt_size = receipt_size;
    out->push_back(delivery);
    used = answer.size() - rest.size();
  }
}

void CutLines(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out) {
  for (std::size_t at = 0; at < answer.size();) {
    const std::size_t end = std::min(answer.find('\n', at), answer.size());
    if (end > at) {
      Delivery delivery;
      delivery.offset = at;
      delivery.size = end - at;
      delivery.origin = origin;
      out->push_back(delivery);
    }
    at = end + 1;
  }
}

std::size_t CutPopped(std::string_view answer, std::uint32_t origin, bool framed, bool whole,
                      std::vector<Delivery>* out) {
  if (!framed) {
    CutLines(answer, origin, out);
    return answer.size();
  }
  const std::size_t used = CutFrames(answer, origin, out);
  if (!whole || used == answer.size()) return used;
  Delivery rest;
  rest.offset = used;
  rest.size = answer.size() - used;
  rest.origin = origin;
  out->push_back(rest);
  return answer.size();
}

std::optional<ReceiptParts> ReadReceipt(std::string_view receipt) {
  ReceiptParts parts;
  std::uint32_t queue = 0;
  std::uint64_t lease = 0;
  if (!TakeNumber(&receipt, '-', &queue) || !TakeNumber(&receipt, '-', &parts.id) ||
      !TakeNumber(&receipt, '-', &lease) || !ReadEpoch(receipt, &parts.epoch)) {
    return std::nullopt;
  }
  return parts;
}

std::uint64_t IncarnationOf(std::uint64_t incarnation, std::string_view queuename) {
  if (incarnation == 0 || queuename == "default") return incarnation;
  const std::uint64_t own = incarnation ^ SipHash<2, 4>(queuename, 0, 0);
  return own != 0 ? own : 1;
}

std::uint64_t ReadIncarnation(std::string_view message_ids, std::uint32_t epoch) {
  constexpr std::string_view kOf = "of ";
  constexpr std::string_view kLasting = "lasting";
  if (message_ids.starts_with(kLasting)) {
    std::uint64_t identity = 0;
    message_ids.remove_prefix(std::min(kLasting.size() + 1, message_ids.size()));
    return ReadIdentity(message_ids, &identity) ? identity : 0;
  }
  std::uint32_t told = 0;
  if (message_ids.starts_with(kOf) && ReadEpoch(message_ids.substr(kOf.size()), &told)) {
    epoch = told;
  }
  return std::uint64_t{1} << 32 | epoch;  // never 0
}

bool ReadReceiptAnswer(std::string_view answer, std::string_view verb,
                       std::vector<MissedReceipt>* missed) {
  if (!answer.starts_with(verb)) return false;
  answer.remove_prefix(verb.size());
  std::uint64_t held = 0;
  if (!answer.starts_with(' ')) return false;
  answer.remove_prefix(1);
  if (!TakeNumber(&answer, '\n', &held)) return false;
  while (!answer.empty()) {
    const std::size_t end = std::min(answer.find('\n'), answer.size());
    const std::string_view line = answer.substr(0, end);
    const std::size_t blank = std::min(line.find(' '), line.size());
    if (blank > 0) {
      missed->push_back({line.substr(0, blank), line.substr(std::min(blank + 1, line.size()))});
    }
    answer.remove_prefix(std::min(end + 1, answer.size()));
  }
  return true;
}

}  // namespace rivulet
