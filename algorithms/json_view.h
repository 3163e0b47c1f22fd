// What an algorithm knows, as one line of JSON: what the Json() of each is made with.
//
// Source: RFC 8259. Numbers are the shortest text that reads back the same. What is not finite (an
// answer that is not defined) is null. Strings are escaped; bytes that are no UTF-8 become U+FFFD,
// one each, so that the text is UTF-8 always. O(bytes).
//
//   JsonView view;
//   view.BeginObject().Field("count", 3).Key("top").BeginArray();
//   for (const auto& item : top) view.Value(item.value);
//   return view.EndArray().EndObject().Take();      // {"count":3,"top":["a","b"]}
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <string>
#include <string_view>
#include <utility>

namespace rivulet {

/// Writes the commas; that Begin and End match, and that each value in an object has its key, is
/// the caller's.
class JsonView {
 public:
  JsonView& BeginObject() { return Begin('{'); }
  JsonView& EndObject() { return End('}'); }
  JsonView& BeginArray() { return Begin('['); }
  JsonView& EndArray() { return End(']'); }
  JsonView& Key(std::string_view name) {
    Value(name);
    text_ += ':';
    first_ = true;
    return *this;
  }
  JsonView& Null() { return Raw("null"); }
  /// `json` is a value, as another Json() gives it.
  JsonView& Raw(std::string_view json) {
    if (!first_) text_ += ',';
    text_ += json;
    first_ = false;
    return *this;
  }
  JsonView& Value(bool value) { return Raw(value ? "true" : "false"); }
  JsonView& Value(std::integral auto value) { return Number(value); }
  JsonView& Value(double value) { return std::isfinite(value) ? Number(value) : Null(); }
  JsonView& Value(const char* text) { return Value(std::string_view(text)); }
  JsonView& Value(std::string_view text) {
    Raw("\"");
    while (!text.empty()) AppendCharacter(&text);
    text_ += '"';
    return *this;
  }
  template <typename T>
  JsonView& Field(std::string_view name, const T& value) {
    return Key(name).Value(value);
  }

  /// The text so far; nothing more may be written.
  std::string Take() { return std::move(text_); }

 private:
  JsonView& Begin(char bracket) {
    Raw(std::string_view(&bracket, 1));
    first_ = true;
    return *this;
  }
  JsonView& End(char bracket) {
    text_ += bracket;
    first_ = false;
    return *this;
  }
  template <typename T>
  JsonView& Number(T value) {
    std::array<char, 32> digits;
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return Raw(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
  }

  void AppendCharacter(std::string_view* text) {
    const std::size_t size = CharacterSize(*text);
    const char c = text->front();
    if (size == 0) {
      text_ += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      (text_ += '\\') += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view kHex = "0123456789abcdef";
      text_ += "\\u00";
      text_ += kHex[static_cast<unsigned char>(c) >> 4];
      text_ += kHex[static_cast<unsigned char>(c) & 15];
    } else {
      text_ += text->substr(0, size);
    }
    text->remove_prefix(size == 0 ? 1 : size);
  }
  // Bytes of the UTF-8 character (RFC 3629) that `text` begins with; 0: it begins with none.
  static std::size_t CharacterSize(std::string_view text) {
    const auto at = [&](std::size_t i) {
      return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned lead = at(0);
    if (lead < 0x80) return 1;
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    // What would be too long a form, a surrogate, or beyond U+10FFFF shows in the second byte.
    const unsigned least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at(1) < least || at(1) > most) return 0;
    for (std::size_t i = 2; i < size; ++i) {
      if (at(i) < 0x80 || at(i) > 0xbf) return 0;
    }
    return size;
  }

  std::string text_;
  bool first_ = true;
};

}  // namespace rivulet
