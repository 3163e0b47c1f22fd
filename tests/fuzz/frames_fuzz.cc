// What a queue reader makes of a queue's answers: leases, frames, lines and verbs. Every message
// lies within the answer, behind the one before it; and what is whole in a piece of an answer is
// the same in the answer.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "queuereader/source/frames.h"

namespace {

using rivulet::Delivery;

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckBounds(std::string_view answer, const std::vector<Delivery>& messages) {
  std::size_t end = 0;
  for (const Delivery& message : messages) {
    Require(message.receipt_size == 0 ||
            (message.receipt_offset >= end &&
             message.receipt_offset + message.receipt_size < message.offset));
    Require(message.offset >= end && message.offset <= answer.size());
    Require(message.size <= answer.size() - message.offset);
    Require(message.origin == 3);
    end = message.offset + message.size;
  }
}

void CheckSame(const std::vector<Delivery>& whole, const std::vector<Delivery>& piece) {
  Require(piece.size() <= whole.size());
  for (std::size_t i = 0; i < piece.size(); ++i) {
    Require(piece[i].offset == whole[i].offset && piece[i].size == whole[i].size &&
            piece[i].id == whole[i].id && piece[i].attempts == whole[i].attempts);
  }
}

// A fuzzer does not find receipts by itself: it says R, and H for the head of a message of 2 bytes.
std::string WithReceipts(std::string_view text) {
  std::string expanded;
  for (const char c : text) {
    if (c == 'R' || c == 'H') {
      expanded += c == 'R' ? "1-2-3-0a0b0c0d" : "7-18446744073709551615-1-ffffffff 4294967295 2\n";
    } else {
      expanded += c;
    }
  }
  return expanded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string expanded = WithReceipts({reinterpret_cast<const char*>(bytes) + 1, size - 1});
  const std::string_view answer = expanded;
  const std::string_view piece = answer.substr(0, answer.size() * bytes[0] / 255);
  for (const auto cut : {&rivulet::CutFrames, &rivulet::CutLeases}) {
    std::vector<Delivery> messages;
    std::vector<Delivery> some;
    Require(cut(answer, 3, &messages) <= answer.size());
    CheckBounds(answer, messages);
    const std::size_t used = cut(piece, 3, &some);
    Require(used <= piece.size());
    CheckSame(messages, some);
    // From where the piece ended on come the others.
    std::vector<Delivery> others;
    cut(answer.substr(used), 3, &others);
    Require(some.size() + others.size() == messages.size());
  }
  for (const bool framed : {false, true}) {
    for (const bool whole : {false, true}) {
      std::vector<Delivery> popped;
      const std::size_t used = rivulet::CutPopped(answer, 3, framed, whole, &popped);
      CheckBounds(answer, popped);
      Require(whole || !framed ? used == answer.size() : used <= answer.size());
    }
  }
  std::vector<rivulet::MissedReceipt> missed;
  if (rivulet::ReadReceiptAnswer(answer, "finished", &missed)) {
    for (const auto& [receipt, why] : missed) {
      Require(!receipt.empty() && receipt.find_first_of(" \n") == std::string_view::npos);
      Require(why.find('\n') == std::string_view::npos);
    }
  }
  Require(rivulet::ReadIncarnation(answer, 0) != 0 || answer == "lasting");
  return 0;
}
