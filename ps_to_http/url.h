// The URLs of ps_to_http: where a message is put into one, and what a source URL means.
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

/// `%s` must stand exactly once and after the host.
Result<GetUrl> ParseGetUrl(std::string_view url);
/// OK for http://HOST or https://HOST with anything behind.
Status CheckHttpUrl(std::string_view url);

/// What is asked of a pubsub: without a path /sub is meant, and multipart=0 is added where it is
/// absent; any other multipart is an error.
Result<std::string> SourceUrl(std::string_view url);

}  // namespace rivulet
