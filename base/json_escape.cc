#include "base/json_escape.h"

#include <cstdint>

namespace rivulet {

namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void AppendUtf8(std::string* out, std::uint32_t code) {
  const auto put = [out](std::uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

}  // namespace

int JsonCodeUnit(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int unit = 0;
  for (int i = 0; i < 4; ++i) {
    const int value = HexValue(at[i]);
    if (value < 0) return -1;
    unit = unit * 16 + value;
  }
  return unit;
}

void UnescapeJson(std::string_view raw, std::string* out) {
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kBytes = "\"\\/\b\f\n\r\t";
  out->clear();
  while (!raw.empty()) {
    const auto plain = raw.substr(0, raw.find('\\'));
    out->append(plain);
    raw.remove_prefix(plain.size());
    if (raw.empty()) return;
    if (raw[1] != 'u') {
      out->push_back(kBytes[kNames.find(raw[1])]);
      raw.remove_prefix(2);
      continue;
    }
    const char* const end = raw.data() + raw.size();
    const int unit = JsonCodeUnit(raw.data() + 2, end);
    raw.remove_prefix(6);
    if (!IsHighSurrogate(unit)) {
      AppendUtf8(out, static_cast<std::uint32_t>(unit));
      continue;
    }
    const int low = JsonCodeUnit(raw.data() + 2, end);
    raw.remove_prefix(6);
    AppendUtf8(out, static_cast<std::uint32_t>(0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00));
  }
}

}  // namespace rivulet
