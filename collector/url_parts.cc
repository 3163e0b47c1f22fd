#include "collector/url_parts.h"

#include "http/query.h"

namespace rivulet {

namespace {

/// What stands before the first of `marks`; `rest` then begins with that mark, or is empty.
std::string_view TakeUntil(std::string_view* rest, const char* marks) {
  const std::string_view taken = rest->substr(0, rest->find_first_of(marks));
  rest->remove_prefix(taken.size());
  return taken;
}

bool IsScheme(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !letter(text[0])) return false;
  for (const char c : text) {
    if (!letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

void CutAuthority(std::string_view authority, UrlParts* parts) {
  // The last one: a password may hold one.
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority.remove_prefix(at + 1);
  }
  const std::size_t bracket = authority.rfind(']');  // an IPv6 address has colons of its own
  const std::size_t from = bracket == std::string_view::npos ? 0 : bracket;
  const std::size_t colon = authority.find(':', from);
  parts->host = authority.substr(0, colon);
  if (colon != std::string_view::npos) parts->port = authority.substr(colon + 1);
}

}  // namespace

UrlParts CutUrl(std::string_view url) {
  UrlParts parts;
  std::string_view rest = url;
  const std::string_view scheme = TakeUntil(&rest, ":/?#");
  if (!rest.empty() && rest[0] == ':' && IsScheme(scheme)) {
    parts.scheme = scheme;
    rest.remove_prefix(1);
  } else {
    rest = url;
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    CutAuthority(TakeUntil(&rest, "/?#"), &parts);
  }
  parts.path = TakeUntil(&rest, "?#");
  if (!rest.empty() && rest[0] == '?') {
    rest.remove_prefix(1);
    parts.query = TakeUntil(&rest, "#");
  }
  if (!rest.empty()) parts.fragment = rest.substr(1);
  return parts;
}

std::optional<std::string_view> PathSegment(std::string_view path, std::size_t number) {
  if (path.starts_with('/')) path.remove_prefix(1);
  for (std::size_t at = 1; at < number; ++at) {
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    path.remove_prefix(slash + 1);
  }
  const std::string_view segment = path.substr(0, path.find('/'));
  if (segment.empty()) return std::nullopt;
  return segment;
}

std::optional<std::string_view> QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = TakeUntil(&query, "&");
    if (!query.empty()) query.remove_prefix(1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view written = pair.substr(0, equals);
    const bool same = written == name || (written.find_first_of("%+") != std::string_view::npos &&
                                          PercentDecode(written, true) == name);
    if (!same) continue;
    return equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
  }
  return std::nullopt;
}

std::string_view DecodePercent(std::string_view text, bool plus_is_space, std::string* room) {
  if (text.find_first_of(plus_is_space ? "%+" : "%") == std::string_view::npos) return text;
  *room = PercentDecode(text, plus_is_space);
  return *room;
}

}  // namespace rivulet
