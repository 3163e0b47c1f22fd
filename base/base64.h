// Base64 with padding, RFC 4648 section 4: how JSON carries bytes that are no text.
#pragma once

#include <string>
#include <string_view>

namespace rivulet {

/// O(bytes); no line breaks.
void AppendBase64(std::string* out, std::string_view bytes);

}  // namespace rivulet
