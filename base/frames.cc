#include "base/frames.h"

#include <fmt/format.h>

#include <charconv>

namespace rivulet {

std::optional<std::string_view> TakeFrame(std::string_view* rest) {
  const char* const end = rest->data() + rest->size();
  std::size_t bytes = 0;
  const auto [stop, error] = std::from_chars(rest->data(), end, bytes);
  if (error != std::errc() || stop == end || *stop != '\n') return std::nullopt;
  const auto left = static_cast<std::size_t>(end - stop) - 1;
  if (bytes >= left || stop[1 + bytes] != '\n') return std::nullopt;
  const std::string_view message(stop + 1, bytes);
  rest->remove_prefix(rest->size() - left + bytes + 1);
  return message;
}

Result<std::vector<std::string_view>> ParseFrames(std::string_view batch) {
  std::vector<std::string_view> messages;
  std::string_view rest = batch;
  while (!rest.empty()) {
    const auto message = TakeFrame(&rest);
    if (!message) {
      return InvalidArgument(fmt::format(
          "format=framed: at byte {} there must be a message's size in digits, a newline, "
          "so many bytes, and a newline",
          batch.size() - rest.size()));
    }
    messages.push_back(*message);
  }
  return messages;
}

std::size_t FrameBytes(std::string_view message) {
  return fmt::format_int(message.size()).size() + message.size() + 2;
}

void AppendFrame(std::string* out, std::string_view message) {
  const fmt::format_int size(message.size());
  out->append(size.data(), size.size()).push_back('\n');
  out->append(message).push_back('\n');
}

}  // namespace rivulet
