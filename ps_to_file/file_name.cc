#include "ps_to_file/file_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace rivulet {

namespace {

// %s is left out: it would read the time as local.
constexpr std::string_view kConversions = "aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%";
constexpr std::string_view kNumber = "{n}";
constexpr std::string_view kNone = "none";
constexpr std::string_view kPart = ".part";

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

Status CheckConversions(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return InvalidArgument("a name without NUL");
    if (text[i] != '%') continue;
    if (++i == text.size() || kConversions.find(text[i]) == std::string_view::npos) {
      return InvalidArgument(
          fmt::format("a name whose %X are conversions of strftime: %Y %m %d %H %M %S and the "
                      "like; %% is a %"));
    }
  }
  return Status::Ok();
}

// With a byte behind it, so that an empty expansion is none that failed.
std::string ExpandTime(const std::string& text, const std::tm& time) {
  if (text.find('%') == std::string::npos) return text;
  std::string out(text.size() * 32 + 64, '\0');
  const std::size_t size = strftime(out.data(), out.size(), (text + "x").c_str(), &time);
  out.resize(size == 0 ? 0 : size - 1);
  return out;
}

std::string FolderOf(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

}  // namespace

std::string SafeFieldText(std::string_view text, std::size_t max_bytes) {
  std::string out;
  for (const char c : text) {
    const bool plain = IsPlain(c) && !(c == '.' && out.empty());
    if (out.size() + (plain ? 1 : 3) > max_bytes) break;
    if (plain) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out.empty() ? std::string(kNone) : out;
}

std::string NumberedName(std::string_view base, std::uint64_t number, std::string_view suffix) {
  std::string name(base);
  const std::string digits = std::to_string(number);
  auto at = name.find(kNumber);
  if (at == std::string::npos && number > 0) name.insert(name.size() - suffix.size(), "." + digits);
  while (at != std::string::npos) {
    name.replace(at, kNumber.size(), digits);
    at = name.find(kNumber, at + digits.size());
  }
  return name;
}

Result<FileNameFormat> FileNameFormat::Parse(std::string_view format, std::string_view suffix) {
  FileNameFormat name;
  name.suffix_ = suffix;
  std::string whole(format);
  if (format.empty() || format.ends_with('/') || format == "-") {
    return InvalidArgument("the name of a file, such as clicks/%Y-%m-%d_%H.jsonl");
  }
  if (!suffix.empty() && !format.ends_with(suffix)) whole += suffix;
  if (Status status = name.ParsePieces(whole); !status.ok()) return status;
  name.fixed_folder_ = FolderOf(whole.substr(0, whole.find_first_of("%{")));
  // A Wednesday in September is as long as names get: 2001-09-12.
  name.Expand(1'000'252'800);
  if (!name.LimitFields()) {
    return InvalidArgument(
        fmt::format("shorter: at most {} bytes between two /", FileNameFormat::kMaxNameBytes));
  }
  return name;
}

Status FileNameFormat::ParsePieces(std::string_view format) {
  std::string text;
  const auto end_text = [&] {
    if (!text.empty()) pieces_.emplace_back().text = std::exchange(text, {});
  };
  while (!format.empty()) {
    if (format.front() != '{') {
      const auto piece = format.substr(0, format.find('{'));
      text += piece;
      format.remove_prefix(piece.size());
      continue;
    }
    const auto close = format.find('}');
    if (close == std::string_view::npos || close == 1) {
      return InvalidArgument("a name whose { } hold a field of the message each, or n");
    }
    const auto field = format.substr(1, close - 1);
    if (field == "n") {
      text += kNumber;
    } else {
      end_text();
      pieces_.emplace_back().field.emplace_back(std::string(field));
      has_fields_ = true;
    }
    format.remove_prefix(close + 1);
  }
  end_text();
  for (const auto& piece : pieces_) {
    if (Status status = CheckConversions(piece.text); !status.ok()) return status;
  }
  return Status::Ok();
}

// Fields of one folder's or file's name share the bytes that it may have beside its other text.
// False when there are too few.
bool FileNameFormat::LimitFields() {
  constexpr std::size_t kFewestBytes = 8;
  std::vector<Piece*> fields;
  std::size_t text_bytes = 0;
  const auto end_name = [&] {
    if (text_bytes + fields.size() * kFewestBytes > kMaxNameBytes) return false;
    for (Piece* field : fields) {
      field->max_bytes = std::min(kMaxFieldBytes, (kMaxNameBytes - text_bytes) / fields.size());
    }
    fields.clear();
    text_bytes = 0;
    return true;
  };
  for (Piece& piece : pieces_) {
    if (!piece.field.empty()) fields.push_back(&piece);
    for (const char c : piece.expanded) {
      if (c != '/') {
        ++text_bytes;
      } else if (!end_name()) {
        return false;
      }
    }
  }
  return end_name();
}

std::string FileNameFormat::Expand(std::int64_t seconds) {
  std::tm time{};
  const auto moment = static_cast<std::time_t>(seconds);
  gmtime_r(&moment, &time);
  std::string key;
  for (Piece& piece : pieces_) {
    if (piece.field.empty()) {
      piece.expanded = ExpandTime(piece.text, time);
      key += piece.expanded;
    } else {
      key.append("{").append(piece.field.front().path()).append("}");
    }
  }
  return key;
}

bool FileNameFormat::SetTime(std::int64_t seconds) {
  if (seconds == seconds_) return false;
  seconds_ = seconds;
  std::string key = Expand(seconds);
  if (key == time_key_) return false;
  time_key_ = std::move(key);
  if (!has_fields_) base_ = time_key_;
  return true;
}

std::string_view FileNameFormat::BaseOf(std::string_view message) {
  if (!has_fields_) return base_;
  base_.clear();
  for (Piece& piece : pieces_) {
    if (piece.field.empty()) {
      base_ += piece.expanded;
      continue;
    }
    auto& field = piece.field.front();
    const bool found = field.Read(message) == JsonFieldReader::Found::kText;
    base_ += found ? SafeFieldText(field.text(), piece.max_bytes) : std::string(kNone);
  }
  // Or one partition's complete file could be another's part file.
  if (base_.ends_with(kPart)) base_.replace(base_.size() - kPart.size(), 1, "%2E");
  return base_;
}

}  // namespace rivulet
