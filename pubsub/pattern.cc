#include "pubsub/pattern.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <string>

#include "base/log.h"

namespace rivulet {

Result<std::unique_ptr<re2::RE2>> CompilePattern(std::string_view name, std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMaxBytes);
  options.set_never_capture(true);
  auto compiled = std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) {
    return InvalidArgument(fmt::format("{}={} must be an RE2 regular expression: {}", name,
                                       EscapeControl(pattern), EscapeControl(compiled->error())));
  }
  return compiled;
}

bool MatchesAnywhere(const re2::RE2& pattern, std::string_view text) {
  return pattern.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(), RE2::UNANCHORED,
                       nullptr, 0);
}

}  // namespace rivulet
