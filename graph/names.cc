#include "graph/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace rivulet {
namespace {

constexpr std::size_t kShortCharacters = 40;
constexpr std::string_view kReplacement = "\uFFFD";

/// Calls `put` with each character; a byte that is none stands alone, with `valid` false.
template <typename Put>
void ForEachCharacter(std::string_view text, Put put) {
  while (!text.empty()) {
    const std::size_t length = Utf8SequenceLength(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(1, length));
    text.remove_prefix(character.size());
    put(character, length > 0);
  }
}

bool XmlKnows(std::string_view character, bool valid) {
  const char first = character[0];
  const bool control = static_cast<unsigned char>(first) < 0x20;
  if (control) return first == '\t' || first == '\n' || first == '\r';
  return valid && character != "\xEF\xBF\xBE" && character != "\xEF\xBF\xBF";
}

/// U+10FE00 to U+10FEFF, as UTF-8: F4 8F B8..BB 80..BF.
bool IsEscapedByte(std::string_view character) {
  return character.size() == 4 && character.starts_with("\xF4\x8F") && character[2] >= '\xB8' &&
         character[2] <= '\xBB';
}

}  // namespace

std::string XmlEscaped(std::string_view text) {
  std::string out;
  ForEachCharacter(text, [&out](std::string_view character, bool valid) {
    switch (character[0]) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      // As themselves they would be read as spaces.
      case '\t':
      case '\n':
      case '\r':
        out += fmt::format("&#{};", static_cast<int>(character[0]));
        break;
      default:
        out += XmlKnows(character, valid) ? character : kReplacement;
    }
  });
  return out;
}

std::string DotQuoted(std::string_view text) {
  std::string out = "\"";
  ForEachCharacter(text, [&out](std::string_view character, bool valid) {
    switch (character[0]) {
      case '"':
      case '\\':
        out += '\\';
        out += character;
        break;
      case '&':  // graphviz would read an entity
        out += "&amp;";
        break;
      case '\t':
      case '\n':
      case '\r':
        out += ' ';
        break;
      default:
        out += XmlKnows(character, valid) ? character : kReplacement;
    }
  });
  return out + '"';
}

std::string ShortName(std::string_view name) {
  std::string shown;
  std::size_t characters = 0;
  ForEachCharacter(name, [&](std::string_view character, bool) {
    if (++characters <= kShortCharacters) shown += character;
  });
  return characters > kShortCharacters ? shown + "\u2026" : shown;
}

std::string JsonName(std::string_view name) {
  std::string text;
  ForEachCharacter(name, [&text](std::string_view character, bool valid) {
    if (valid && !IsEscapedByte(character)) {
      text += character;
      return;
    }
    for (const char c : character) {
      const auto byte = static_cast<unsigned char>(c);
      text += "\xF4\x8F";
      text += static_cast<char>(0xB8 + (byte >> 6));
      text += static_cast<char>(0x80 + (byte & 0x3F));
    }
  });
  return text;
}

std::string NameOfJson(std::string_view text) {
  std::string name;
  ForEachCharacter(text, [&name](std::string_view character, bool valid) {
    if (!valid || !IsEscapedByte(character)) {
      name += character;
      return;
    }
    const int high = static_cast<unsigned char>(character[2]) - 0xB8;
    const int low = static_cast<unsigned char>(character[3]) - 0x80;
    name += static_cast<char>(high << 6 | low);
  });
  return name;
}

}  // namespace rivulet
