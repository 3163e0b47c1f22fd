#include "simplequeue/params.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/units.h"
#include "http/reply.h"
#include "http/request.h"

namespace rivulet {

std::string Shown(std::string_view text) {
  constexpr std::size_t kMaxShownBytes = 64;
  if (text.size() <= kMaxShownBytes) return EscapeControl(text);
  return EscapeControl(text.substr(0, kMaxShownBytes)) + "...";
}

std::string_view PostBody(const Request& request) {
  return request.method() == Method::kPost ? request.body() : std::string_view();
}

bool DurationParam(const Request& request, Reply& reply, std::string_view name,
                   const DurationBounds& bounds, Duration* value) {
  const auto text = request.Param(name);
  if (!text) return true;
  const auto parsed = ParseDuration(*text);
  if (parsed.ok() && *parsed >= bounds.least && *parsed <= bounds.most) {
    *value = *parsed;
    return true;
  }
  std::string option;
  if (!bounds.option.empty()) option = fmt::format(" ({})", bounds.option);
  reply.Error(400, fmt::format("{}={}: must be a time such as 250ms, 30s or 5m, from {} to {}{}",
                               name, Shown(*text), FormatDuration(bounds.least),
                               FormatDuration(bounds.most), option));
  return false;
}

bool ItemsParam(const Request& request, Reply& reply, std::uint64_t* items) {
  const auto text = request.Param("items");
  const auto parsed = text ? ParseUint(*text) : Result<std::uint64_t>(1);
  if (!parsed.ok() || *parsed == 0) {
    reply.Error(400, "number of items must be > 0");
    return false;
  }
  *items = *parsed;
  return true;
}

}  // namespace rivulet
