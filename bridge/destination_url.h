// The URLs of destinations: where a message is put into one.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

/// Appends `bytes` percent-encoded as the original simplehttp does: !$'()*,-./0-9:=@A-Z_a-z~ as
/// they are, every other byte as %HH in upper-case hexadecimal.
void AppendPercentEncoded(std::string* out, std::string_view bytes);

/// A destination URL with one `%s`, where the message goes. Any other % is text.
struct GetUrl {
  std::string before;
  std::string after;

  std::string For(std::string_view message) const;
};

/// The URL of a POST whose body is framed (base/frames.h): `format=framed` at the end of its query.
std::string FramedUrl(std::string_view url);

/// `%s` must stand exactly once and after the host.
Result<GetUrl> ParseGetUrl(std::string_view url);

}  // namespace rivulet
