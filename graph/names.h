// Names of nodes, which are bytes, in formats that know only some texts.
#pragma once

#include <string>
#include <string_view>

namespace rivulet {

/// Of XML, for text and for an attribute's value in double quotes. What XML does not know (other
/// control characters, what is no UTF-8) becomes U+FFFD.
std::string XmlEscaped(std::string_view text);

/// A quoted string of DOT that shows the text: entities as they are, tab and line breaks as spaces,
/// what XML does not know as U+FFFD.
std::string DotQuoted(std::string_view text);

/// The first 40 characters, and an ellipsis where there are more.
std::string ShortName(std::string_view name);

/// The name as UTF-8, different ones as different ones: a byte that is not part of a character
/// becomes U+10FE00 + its value, of the private use area; so do the bytes of a character that is
/// itself one of U+10FE00 to U+10FEFF. NameOfJson() takes it back.
std::string JsonName(std::string_view name);
std::string NameOfJson(std::string_view text);

}  // namespace rivulet
