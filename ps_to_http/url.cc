#include "ps_to_http/url.h"

#include <fmt/format.h>

#include <array>

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

// Where the host ends: the first byte of path, query or fragment. npos when this is no HTTP URL.
std::size_t EndOfHost(std::string_view url) {
  std::size_t host = 0;
  if (url.starts_with("http://")) host = 7;
  if (url.starts_with("https://")) host = 8;
  if (host == 0) return std::string_view::npos;
  const auto end = std::min(url.find_first_of("/?#", host), url.size());
  return end == host ? std::string_view::npos : end;
}

bool HasMultipart(std::string_view query, std::string_view* value) {
  while (!query.empty()) {
    const auto item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(item.size() + 1, query.size()));
    const auto equals = std::min(item.find('='), item.size());
    if (item.substr(0, equals) != "multipart") continue;
    *value = item.substr(std::min(equals + 1, item.size()));
    return true;
  }
  return false;
}

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

Status CheckHttpUrl(std::string_view url) {
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
      return InvalidArgument("a URL without spaces and control characters");
    }
  }
  if (EndOfHost(url) == std::string_view::npos) {
    return InvalidArgument("http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH");
  }
  return Status::Ok();
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

Result<std::string> SourceUrl(std::string_view url) {
  if (auto status = CheckHttpUrl(url); !status.ok()) return status;
  url = url.substr(0, url.find('#'));
  const auto host_end = EndOfHost(url);
  const auto query_at = url.find('?');
  auto path =
      url.substr(host_end, query_at == std::string_view::npos ? query_at : query_at - host_end);
  const auto query = query_at == std::string_view::npos ? "" : url.substr(query_at + 1);
  if (path.empty() || path == "/") path = "/sub";
  std::string_view multipart;
  const bool given = HasMultipart(query, &multipart);
  if (given && multipart != "0") {
    return InvalidArgument("a URL with multipart=0 or no multipart: only that can be read here");
  }
  return fmt::format("{}{}?{}{}{}", url.substr(0, host_end), path, query,
                     query.empty() || given ? "" : "&", given ? "" : "multipart=0");
}

}  // namespace rivulet
