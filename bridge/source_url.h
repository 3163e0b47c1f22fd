// What the URL of a source means to a program that follows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rivulet {

/// Where the host of an http:// or https:// URL ends: its first byte of path, query or fragment, or
/// its size. npos when this is no such URL.
std::size_t EndOfHost(std::string_view url);
/// OK for http://HOST or https://HOST with anything behind.
Status CheckHttpUrl(std::string_view url);

/// What is asked of a pubsub: without a path /sub is meant, and multipart=0 is added where it is
/// absent; any other multipart is an error.
Result<std::string> SourceUrl(std::string_view url);

/// The same with positions, from a pubsub that has them; another answers it as SourceUrl(). What is
/// set here (format, offsets, heartbeat, until, last_event_id) must not be given; `since=` may, and
/// says where to begin, else `since=now` does. It stands last, for UrlFrom().
Result<std::string> PositionedSourceUrl(std::string_view url);
/// `url` is what PositionedSourceUrl() gave. With a position that is where to begin.
std::string UrlFrom(std::string_view url, std::optional<std::uint64_t> position);
/// The same without all that: as SourceUrl(), for a pubsub that refuses what it does not know.
std::string UrlOfLines(std::string_view url);

/// What a source is known by where its position is kept, in however many ways it may be asked: the
/// URL without user and password, since=, token= and what PositionedSourceUrl() sets. Of a key it
/// is the key.
std::string SourceKey(std::string_view url);
/// Of all of them.
std::vector<std::string> SourceKeys(const std::vector<std::string>& urls);

/// Of what PositionedSourceUrl() asks for: how often a silent source says that it is there.
inline constexpr int kSourceHeartbeatSeconds = 20;

}  // namespace rivulet
