#include "http/bearer.h"

namespace rivulet {

namespace {

constexpr std::string_view kBearer = "Bearer ";

// Equal in time that depends on the lengths alone.
bool ConstantTimeEquals(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^
                  static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]);
  }
  return difference == 0;
}

BroughtToken Compare(std::string_view brought, std::string_view token) {
  return ConstantTimeEquals(brought, token) ? BroughtToken::kRight : BroughtToken::kWrong;
}

}  // namespace

BroughtToken CompareToken(const Request& request, std::string_view token) {
  if (const auto field = request.Header("Authorization")) {
    if (field->size() > kBearer.size() &&
        EqualsIgnoreCase(field->substr(0, kBearer.size()), kBearer)) {
      return Compare(field->substr(kBearer.size()), token);
    }
  }
  const auto parameter = request.Param("token");
  return parameter ? Compare(*parameter, token) : BroughtToken::kNone;
}

}  // namespace rivulet
