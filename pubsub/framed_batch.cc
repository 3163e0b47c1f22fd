#include "pubsub/framed_batch.h"

#include <fmt/format.h>

#include "base/units.h"

namespace rivulet {

namespace {

constexpr std::size_t kMaxLengthDigits = 20;

Status BadAt(std::string_view body, std::string_view rest, std::string_view what) {
  return InvalidArgument(
      fmt::format("format=framed: at byte {} there must be {}", body.size() - rest.size(), what));
}

}  // namespace

Result<std::vector<std::string_view>> ParseFramedBatch(std::string_view body) {
  std::vector<std::string_view> messages;
  std::string_view rest = body;
  while (!rest.empty()) {
    const std::size_t line_end = rest.substr(0, kMaxLengthDigits + 1).find('\n');
    const auto bytes = ParseUint(rest.substr(0, line_end));
    if (line_end == std::string_view::npos || !bytes.ok()) {
      return BadAt(body, rest, "a line with a message's number of bytes");
    }
    rest.remove_prefix(line_end + 1);
    if (*bytes >= rest.size()) {
      return BadAt(body, rest, fmt::format("{} bytes and a newline", *bytes));
    }
    messages.push_back(rest.substr(0, *bytes));
    rest.remove_prefix(*bytes);
    if (rest.front() != '\n') return BadAt(body, rest, "a newline after the message");
    rest.remove_prefix(1);
  }
  return messages;
}

}  // namespace rivulet
