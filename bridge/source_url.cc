#include "bridge/source_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "http/client.h"

namespace rivulet {

namespace {

constexpr std::string_view kAskFrames = "&format=framed&offsets=1";

// Takes the next NAME=VALUE off a query.
std::string_view TakeItem(std::string_view* query) {
  const auto item = query->substr(0, query->find('&'));
  query->remove_prefix(std::min(item.size() + 1, query->size()));
  return item;
}

std::string_view NameOf(std::string_view item) { return item.substr(0, item.find('=')); }
std::string_view ValueOf(std::string_view item) {
  return item.substr(std::min(NameOf(item).size() + 1, item.size()));
}

struct UrlParts {
  std::string_view host;  // with its scheme
  std::string_view path;
  std::string_view query;
};

Result<UrlParts> SplitSourceUrl(std::string_view url) {
  if (auto status = CheckHttpUrl(url); !status.ok()) return status;
  url = url.substr(0, url.find('#'));
  const auto host_end = EndOfHost(url);
  const auto query_at = std::min(url.find('?'), url.size());
  UrlParts parts{url.substr(0, host_end), url.substr(host_end, query_at - host_end),
                 url.substr(std::min(query_at + 1, url.size()))};
  if (parts.path.empty() || parts.path == "/") parts.path = "/sub";
  auto query = parts.query;
  while (!query.empty()) {
    const auto item = TakeItem(&query);
    if (NameOf(item) != "multipart") continue;
    if (ValueOf(item) == "0") break;
    return InvalidArgument("a URL with multipart=0 or no multipart: only that can be read here");
  }
  return parts;
}

bool HasItem(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    if (NameOf(TakeItem(&query)) == name) return true;
  }
  return false;
}

}  // namespace

std::size_t EndOfHost(std::string_view url) {
  std::size_t host = 0;
  if (url.starts_with("http://")) host = 7;
  if (url.starts_with("https://")) host = 8;
  if (host == 0) return std::string_view::npos;
  const auto end = std::min(url.find_first_of("/?#", host), url.size());
  return end == host ? std::string_view::npos : end;
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
  return CheckClientUrl(url);
}

Result<std::string> SourceUrl(std::string_view url) {
  const auto parts = SplitSourceUrl(url);
  if (!parts.ok()) return parts.status();
  const bool given = HasItem(parts->query, "multipart");
  return fmt::format("{}{}?{}{}{}", parts->host, parts->path, parts->query,
                     parts->query.empty() || given ? "" : "&", given ? "" : "multipart=0");
}

Result<std::string> PositionedSourceUrl(std::string_view url) {
  const auto parts = SplitSourceUrl(url);
  if (!parts.ok()) return parts.status();
  constexpr std::array<std::string_view, 5> kSetHere = {"format", "offsets", "heartbeat", "until",
                                                        "last_event_id"};
  std::string kept;
  std::string_view since = "now";
  bool since_given = false;
  for (auto query = parts->query; !query.empty();) {
    const auto item = TakeItem(&query);
    const auto name = NameOf(item);
    if (std::find(kSetHere.begin(), kSetHere.end(), name) != kSetHere.end()) {
      return InvalidArgument(fmt::format("a URL without {}=: it is set here", name));
    }
    if (name == "since") {
      // The first of a repeated one counts, as everywhere.
      if (!since_given) since = ValueOf(item);
      since_given = true;
    } else if (!item.empty() && name != "multipart") {
      kept.append(item) += '&';
    }
  }
  return fmt::format("{}{}?{}multipart=0{}&heartbeat={}s&since={}", parts->host, parts->path, kept,
                     kAskFrames, kSourceHeartbeatSeconds, since);
}

std::string UrlFrom(std::string_view url, std::optional<std::uint64_t> position) {
  if (!position) return std::string(url);
  constexpr std::string_view kSince = "&since=";
  return fmt::format("{}{}", url.substr(0, url.rfind(kSince) + kSince.size()), *position);
}

std::string UrlOfLines(std::string_view url) {
  return std::string(url.substr(0, url.rfind(kAskFrames)));
}

std::string SourceKey(std::string_view url) {
  constexpr std::array<std::string_view, 6> kNoPart = {"since",  "token",   "multipart",
                                                       "format", "offsets", "heartbeat"};
  url = url.substr(0, url.find('#'));
  const auto query_at = std::min(url.find('?'), url.size());
  auto query = url.substr(std::min(query_at + 1, url.size()));
  std::string key(url.substr(0, query_at));
  const auto host = key.find("://");
  const auto host_end = std::min(EndOfHost(key), key.size());
  const auto user_end = key.substr(0, host_end).rfind('@');
  if (host != std::string::npos && user_end != std::string::npos) {
    key.erase(host + 3, user_end + 1 - (host + 3));
  }
  char before = '?';
  while (!query.empty()) {
    const auto item = TakeItem(&query);
    if (item.empty() || std::ranges::find(kNoPart, NameOf(item)) != kNoPart.end()) continue;
    (key += before).append(item);
    before = '&';
  }
  return key;
}

std::vector<std::string> SourceKeys(const std::vector<std::string>& urls) {
  std::vector<std::string> keys;
  keys.reserve(urls.size());
  for (const auto& url : urls) keys.push_back(SourceKey(url));
  return keys;
}

}  // namespace rivulet
