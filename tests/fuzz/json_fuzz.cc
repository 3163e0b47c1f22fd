// What the parser accepts is UTF-8, and its own writing of it reads back as the same bytes.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"

namespace {

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "json_fuzz: %s\n", what);
  std::abort();
}

// Decoded by RFC 3629's bits rather than its table: the second opinion on IsValidUtf8.
bool DecodesAsUtf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at++]);
    if (first < 0x80) continue;
    const int tails = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC0 || first >= 0xF8) return false;
    std::uint32_t code = first & (0x3FU >> tails);
    for (int i = 0; i < tails; ++i) {
      if (at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) return false;
      code = code << 6 | (static_cast<unsigned char>(text[at++]) & 0x3FU);
    }
    constexpr std::uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
    if (code < kLeast[tails] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rivulet;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Require(IsValidUtf8(text) == DecodesAsUtf8(text), "IsValidUtf8 and the decoder disagree");

  // Kept from one input to the next, as a reader does.
  static JsonDocument document;
  static JsonDocument again;
  const Status status = document.Parse(text);
  if (status.ok()) {
    Require(IsValidUtf8(text), "accepted what is not UTF-8");
    std::string first;
    AppendJson(&first, document.root());
    Require(IsValidUtf8(first), "wrote what is not UTF-8");
    Require(again.Parse(first).ok(), "does not accept what it wrote");
    std::string second;
    AppendJson(&second, again.root());
    Require(first == second, "writes another text the second time");
  } else {
    Require(document.root().IsNull(), "a refused text left a value");
    Require(status.message().find('\n') == std::string::npos, "a message of two lines");
  }

  const bool strict =
      document.Parse(text, {.refuse_duplicate_keys = true, .require_object = true}).ok();
  Require(status.ok() || !strict, "strict limits accept more");
  Require(!strict || document.root().IsObject(), "a strict root that is no object");

  std::string quoted;
  AppendJsonString(&quoted, text);
  Require(again.Parse(quoted).ok(), "does not accept a string that it wrote");
  if (IsValidUtf8(text)) Require(JsonText(again.root()) == text, "a string changed");
  return 0;
}
