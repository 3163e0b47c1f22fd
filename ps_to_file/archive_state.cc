#include "ps_to_file/archive_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <optional>

#include "base/units.h"

namespace rivulet {

namespace {

constexpr std::string_view kFirstLine = "rivulet archive 1";

void AppendEncoded(std::string* out, std::string_view text) {
  for (const char c : text) {
    if (c > ' ' && c < '\x7f' && c != '%') {
      *out += c;
    } else {
      fmt::format_to(std::back_inserter(*out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> Decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// The words of a line, at most six.
struct Words {
  std::array<std::string_view, 6> word;
  std::size_t count = 0;

  explicit Words(std::string_view line) {
    while (count < word.size()) {
      const auto end = line.find(' ');
      word[count++] = line.substr(0, end);
      if (end == std::string_view::npos) return;
      line.remove_prefix(end + 1);
    }
    count = word.size() + 1;
  }
};

bool ParseLine(std::string_view line, ArchiveState* state) {
  const Words words(line);
  if (words.word[0] == "made" && words.count == 3) {
    state->made = line.substr(5);
    return true;
  }
  const auto number = ParseUint(words.word[1]);
  if (!number.ok()) return false;
  if (words.word[0] == "position" && words.count == 3) {
    auto url = Decoded(words.word[2]);
    if (!url) return false;
    state->positions.emplace_back(std::move(*url), *number);
    return true;
  }
  if ((words.word[0] != "part" && words.word[0] != "due") || words.count != 6) return false;
  const auto part_number = ParseUint(words.word[2]);
  auto name = Decoded(words.word[3]);
  auto base = Decoded(words.word[4]);
  auto time_key = Decoded(words.word[5]);
  if (!part_number.ok() || !name || name->empty() || !base || !time_key) return false;
  state->parts.push_back({std::move(*name), std::move(*base), std::move(*time_key), *part_number,
                          *number, words.word[0] == "due"});
  return true;
}

Result<std::string> ReadAll(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return std::string();
    return IoError("open " + path, errno);
  }
  std::string content;
  std::array<char, 65536> piece;
  ssize_t got = 0;
  while ((got = read(fd, piece.data(), piece.size())) > 0) {
    content.append(piece.data(), static_cast<std::size_t>(got));
  }
  const int error = errno;
  close(fd);
  if (got < 0) return IoError("read " + path, error);
  return content;
}

}  // namespace

std::string FormatArchiveState(const ArchiveState& state) {
  std::string out(kFirstLine);
  out.append("\nmade ").append(state.made).append("\n");
  for (const auto& [url, position] : state.positions) {
    fmt::format_to(std::back_inserter(out), "position {} ", position);
    AppendEncoded(&out, url);
    out += '\n';
  }
  for (const auto& part : state.parts) {
    fmt::format_to(std::back_inserter(out), "{} {} {}", part.due ? "due" : "part", part.bytes,
                   part.number);
    for (const std::string* text : {&part.name, &part.base, &part.time_key}) {
      out += ' ';
      AppendEncoded(&out, *text);
    }
    out += '\n';
  }
  return out += "end\n";
}

Result<ArchiveState> ParseArchiveState(std::string_view text) {
  ArchiveState state;
  bool first = true;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    if (line.size() == text.size()) break;
    text.remove_prefix(line.size() + 1);
    if (first && line != kFirstLine) break;
    if (!first && line == "end" && text.empty()) return state;
    if (!first && !ParseLine(line, &state)) break;
    first = false;
  }
  return Status(StatusCode::kCorrupt, "must be the state of an archive, as it was written here");
}

Result<ArchiveState> ReadArchiveState(const std::string& path) {
  const auto text = ReadAll(path);
  if (!text.ok()) return text.status();
  if (text->empty()) return ArchiveState();
  auto state = ParseArchiveState(*text);
  if (state.ok()) return state;
  return Status(StatusCode::kCorrupt,
                fmt::format("--state-file={}: {}; without it, files are begun with what comes now",
                            path, state.status().message()));
}

}  // namespace rivulet
