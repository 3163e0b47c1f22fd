#include "bridge/destination_url.h"

#include <algorithm>
#include <array>

#include "bridge/source_url.h"

namespace rivulet {

namespace {

constexpr std::array<bool, 256> MakeSafeTable() {
  std::array<bool, 256> safe{};
  for (const char c : std::string_view("!$'()*,-./0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
                                       "abcdefghijklmnopqrstuvwxyz~")) {
    safe[static_cast<unsigned char>(c)] = true;
  }
  return safe;
}
constexpr std::array<bool, 256> kSafe = MakeSafeTable();

}  // namespace

void AppendPercentEncoded(std::string* out, std::string_view bytes) {
  constexpr char kHex[] = "0123456789ABCDEF";
  out->reserve(out->size() + bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (kSafe[byte]) {
      out->push_back(c);
    } else {
      const char escaped[] = {'%', kHex[byte >> 4], kHex[byte & 15]};
      out->append(escaped, 3);
    }
  }
}

std::string GetUrl::For(std::string_view message) const {
  std::string url = before;
  AppendPercentEncoded(&url, message);
  return url += after;
}

std::string FramedUrl(std::string_view url) {
  const auto fragment = std::min(url.find('#'), url.size());
  std::string framed(url.substr(0, fragment));
  const auto query = framed.find('?');
  if (query == std::string::npos) {
    framed += '?';
  } else if (framed.back() != '?' && framed.back() != '&') {
    framed += '&';
  }
  return framed += "format=framed";
}

Result<GetUrl> ParseGetUrl(std::string_view url) {
  if (auto status = CheckHttpUrl(url); !status.ok()) return status;
  const auto at = url.find("%s");
  if (at == std::string_view::npos || url.find("%s", at + 2) != std::string_view::npos) {
    return InvalidArgument("a URL with exactly one %s for the message");
  }
  if (at < EndOfHost(url)) return InvalidArgument("a URL with %s after its host");
  return GetUrl{std::string(url.substr(0, at)), std::string(url.substr(at + 2))};
}

}  // namespace rivulet
