// A receipt: what a lease gives its holder to finish the message with, as text that goes through a
// shell untouched: QUEUE-ID-LEASE-EPOCH, for example `1-42-7-9f02c1ab`: the numbers of the queue,
// the message and the lease in decimal, and eight hexadecimal digits that are drawn at each start
// of the daemon. So a receipt names its queue, goes stale with its lease, and does not outlive the
// process: a power cut may roll the count of leases back, and must not bring an old receipt to life
// again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "simplequeue/queue.h"

namespace rivulet {

struct Receipt {
  std::uint32_t queue = 0;  // its number
  Queue::Holding holding;
  std::uint32_t epoch = 0;
};

inline constexpr std::size_t kMaxReceiptBytes = 10 + 1 + 20 + 1 + 10 + 1 + 8;

/// What a receipt looks like, for messages.
inline constexpr std::string_view kReceiptRule =
    "must be a receipt as X-Receipt gave it, such as 1-42-7-9f02c1ab";

/// Nothing for what no receipt can be. O(1), allocates nothing.
std::optional<Receipt> ParseReceipt(std::string_view text);
void AppendReceipt(std::string* out, const Receipt& receipt);

/// Calls `each(line)` for the receipts that stand in `text`, one a line; CRLF and empty lines are
/// accepted. Stops when it returns false. O(text).
template <typename Each>
void ForEachReceiptLine(std::string_view text, Each&& each) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty() && !each(line)) return;
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace rivulet
