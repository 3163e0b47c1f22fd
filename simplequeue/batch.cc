#include "simplequeue/batch.h"

#include <fmt/format.h>

#include "base/units.h"

namespace rivulet {

Result<std::vector<std::string_view>> ParseFrames(std::string_view batch) {
  std::vector<std::string_view> bodies;
  std::size_t at = 0;
  while (at < batch.size()) {
    const auto wrong = [at](std::string_view why) {
      return InvalidArgument(fmt::format("framed batch, byte {}: {}", at, why));
    };
    const std::size_t newline = batch.find('\n', at);
    if (newline == std::string_view::npos)
      return wrong("a frame starts with its size and a newline");
    const auto size = ParseUint(batch.substr(at, newline - at));
    if (!size.ok()) return wrong("a frame's size must be decimal digits");
    const std::size_t rest = batch.size() - newline - 1;
    if (*size >= rest) return wrong("the body is shorter than its size says");
    const std::string_view body = batch.substr(newline + 1, *size);
    if (batch[newline + 1 + body.size()] != '\n') return wrong("the body must end with a newline");
    if (!body.empty()) bodies.push_back(body);
    at = newline + 1 + body.size() + 1;
  }
  return bodies;
}

}  // namespace rivulet
