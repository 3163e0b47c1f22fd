// What simplequeues answer: messages of /mget, and what became of receipts.
//
// Pure, and safe with any bytes: what a message is said to be always lies within the answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "queuereader/source/source.h"

namespace rivulet {

/// Adds the messages of a framed answer (`BYTES\n`, the body, `\n`, for each) to `out`, and returns
/// how many bytes the whole frames take; what follows is no whole frame. O(frames).
std::size_t CutFrames(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out);

/// The same of an answer under a lease (`RECEIPT ATTEMPTS BYTES\n`, the body, `\n`, for each).
std::size_t CutLeases(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out);

/// Adds the lines of an answer that is not framed: of a queue that knows no `format=framed`. JSON
/// holds no raw newline unless it was written for people to read.
void CutLines(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out);

/// The messages of an answer that took them out of their queue: `framed` as its header says
/// (kFormatField), or lines. What is no whole frame in a `whole` answer is a message too, because
/// it is nowhere else. Returns how many bytes became messages.
std::size_t CutPopped(std::string_view answer, std::uint32_t origin, bool framed, bool whole,
                      std::vector<Delivery>* out);
/// "framed": the answer is. The answer cannot be told by its bytes: a line may be a bare number.
inline constexpr std::string_view kFormatField = "X-Format";
inline constexpr std::string_view kFormatFramed = "framed";

/// The number of a message that a receipt (QUEUE-ID-LEASE-EPOCH) is about, and its epoch: eight
/// hexadecimal digits. Nothing for what is no receipt.
struct ReceiptParts {
  std::uint64_t id = 0;
  std::uint32_t epoch = 0;
};
std::optional<ReceiptParts> ReadReceipt(std::string_view receipt);

/// Batch::incarnation of a queue: from its X-Message-Ids ("lasting", or "of EPOCH"), or where it
/// sends none from the epoch of its receipts.
std::uint64_t ReadIncarnation(std::string_view message_ids, std::uint32_t epoch);
/// The same, of one of its queues: each has numbers of its own. That of the default queue is the
/// queue's.
std::uint64_t IncarnationOf(std::uint64_t incarnation, std::string_view queuename);

/// A receipt that no longer holds, and why: "gone", "dead", "stale" as /finish with missed=why
/// tells it; empty where it was not told.
struct MissedReceipt {
  std::string_view receipt;
  std::string_view why;

  bool operator==(const MissedReceipt&) const = default;
};
/// The answer of /finish, /requeue, /bury and /touch: "VERB N", and the receipts that no longer
/// hold, one a line, into `missed`, as views. False when it is no such answer. O(answer).
bool ReadReceiptAnswer(std::string_view answer, std::string_view verb,
                       std::vector<MissedReceipt>* missed);

}  // namespace rivulet
