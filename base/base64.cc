#include "base/base64.h"

#include <cstdint>

namespace rivulet {

void AppendBase64(std::string* out, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out->reserve(out->size() + (bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) -> std::uint32_t {
      return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0;
    };
    const std::uint32_t three = at(0) << 16 | at(1) << 8 | at(2);
    out->push_back(kDigits[three >> 18]);
    out->push_back(kDigits[three >> 12 & 63]);
    out->push_back(i + 1 < bytes.size() ? kDigits[three >> 6 & 63] : '=');
    out->push_back(i + 2 < bytes.size() ? kDigits[three & 63] : '=');
  }
}

}  // namespace rivulet
