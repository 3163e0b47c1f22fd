#include "base/json_field.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/json.h"
#include "base/json_escape.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
constexpr std::uint64_t kHighs = 0x8080808080808080ULL;

// Which of eight bytes end a run of plain text: quotes, backslashes, controls and what is not
// ASCII. The lowest set bit is exact; above it bytes may be marked that are none.
std::uint64_t SpecialBytes(std::uint64_t eight) {
  const std::uint64_t quote = eight ^ (kOnes * '"');
  const std::uint64_t backslash = eight ^ (kOnes * '\\');
  return (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) |
          ((eight - kOnes * 0x20) & ~eight) | eight) &
         kHighs;
}

bool IsPlain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads a whole text once, strictly as RFC 8259 has it, and follows a path meanwhile. On each level
// of objects along the path the longest key that the rest of the path begins with is taken, and of
// that the first, as FindPath() does; a longer one that comes later makes what was found below a
// shorter one void.
class FieldScanner {
 public:
  /// False when `message` is no JSON object. Of the levels only the first needs to be set anew.
  bool Scan(std::string_view message, std::string_view path) {
    at_ = message.data();
    end_ = at_ + message.size();
    levels_[0] = {path, kNone};
    text_ = {};
    found_ = doubtful_ = false;
    taken_ = Taken::kNothing;
    depth_ = level_ = 0;
    arrays_ = values_ = 0;
    return ScanObject();
  }

  bool found() const { return found_; }
  std::string_view text() const { return text_; }
  /// A number near the end of the range was seen: a document must say whether it is one.
  bool doubtful() const { return doubtful_; }

 private:
  enum class Next { kValue, kFirstElement, kKey, kFirstKey, kAfterValue };
  enum class Taken { kNothing, kStep, kWhole };  // what the key before the value was
  static constexpr std::ptrdiff_t kNone = -1;
  struct Level {
    std::string_view rest;  // of the path
    std::ptrdiff_t key_bytes = kNone;
  };
  struct Text {
    std::string_view raw;
    bool escaped = false;
  };

  bool AtEnd() const { return at_ == end_; }
  bool Take(char c) {
    if (AtEnd() || *at_ != c) return false;
    ++at_;
    return true;
  }
  void SkipSpace() {
    while (!AtEnd() && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  bool ScanObject() {
    SkipSpace();
    if (AtEnd() || *at_ != '{') return false;
    Next next = Next::kValue;
    do {
      SkipSpace();
      if (AtEnd()) return false;
      switch (next) {
        case Next::kFirstKey:
          if (*at_ == '}') {
            Close(&next);
            break;
          }
          [[fallthrough]];
        case Next::kKey:
          if (!ScanKey()) return false;
          next = Next::kValue;
          break;
        case Next::kFirstElement:
          if (*at_ == ']') {
            Close(&next);
            break;
          }
          [[fallthrough]];
        case Next::kValue:
          if (!ScanValue(&next)) return false;
          break;
        case Next::kAfterValue:
          if (*at_ == ',') {
            ++at_;
            next = InArray() ? Next::kValue : Next::kKey;
          } else if (*at_ == (InArray() ? ']' : '}')) {
            Close(&next);
          } else {
            return false;
          }
          break;
      }
    } while (depth_ > 0);
    SkipSpace();
    return AtEnd();
  }

  bool InArray() const { return (arrays_ >> (depth_ - 1) & 1) != 0; }
  bool Open(bool array) {
    ++at_;
    if (++depth_ > kJsonMaxDepth) return false;
    const std::uint64_t bit = std::uint64_t{1} << (depth_ - 1);
    arrays_ = array ? arrays_ | bit : arrays_ & ~bit;
    if (!array && taken_ == Taken::kStep) {
      levels_[static_cast<std::size_t>(++level_)] = {next_rest_, kNone};
    }
    taken_ = Taken::kNothing;
    return true;
  }
  void Close(Next* next) {
    ++at_;
    if (--depth_ == level_ && level_ > 0) --level_;
    *next = Next::kAfterValue;
  }

  bool ScanKey() {
    Text key;
    if (!ScanString(&key)) return false;
    std::string_view text = key.raw;
    if (key.escaped) {
      UnescapeJson(key.raw, &key_);
      text = key_;
      if (text.find('\0') != std::string_view::npos) return false;
    }
    if (text.size() > kJsonMaxKeyBytes) return false;
    if (depth_ == level_ + 1) Consider(text);
    SkipSpace();
    return Take(':');
  }

  void Consider(std::string_view key) {
    Level& level = levels_[static_cast<std::size_t>(level_)];
    const auto bytes = static_cast<std::ptrdiff_t>(key.size());
    if (bytes <= level.key_bytes || !level.rest.starts_with(key)) return;
    const bool whole = key.size() == level.rest.size();
    if (!whole && level.rest[key.size()] != '.') return;
    level.key_bytes = bytes;
    found_ = false;
    taken_ = whole ? Taken::kWhole : Taken::kStep;
    if (!whole) next_rest_ = level.rest.substr(key.size() + 1);
  }

  bool ScanValue(Next* next) {
    if (++values_ > kJsonMaxValues) return false;
    const char* const begin = at_;
    *next = Next::kAfterValue;
    switch (*at_) {
      case '{':
        *next = Next::kFirstKey;
        return Open(false);
      case '[':
        *next = Next::kFirstElement;
        return Open(true);
      case '"':
        return ScanStringValue();
      case 't':
        if (!TakeWord("true")) return false;
        break;
      case 'f':
        if (!TakeWord("false")) return false;
        break;
      case 'n':
        taken_ = Taken::kNothing;
        return TakeWord("null");
      default:
        if (!ScanNumber()) return false;
    }
    if (taken_ == Taken::kWhole) {
      found_ = true;
      text_ = {begin, static_cast<std::size_t>(at_ - begin)};
    }
    taken_ = Taken::kNothing;
    return true;
  }

  bool ScanStringValue() {
    Text value;
    if (!ScanString(&value)) return false;
    if (taken_ == Taken::kWhole) {
      found_ = true;
      text_ = value.raw;
      if (value.escaped) {
        UnescapeJson(value.raw, &value_);
        text_ = value_;
      }
    }
    taken_ = Taken::kNothing;
    return true;
  }

  bool TakeWord(std::string_view word) {
    if (static_cast<std::size_t>(end_ - at_) < word.size() ||
        std::memcmp(at_, word.data(), word.size()) != 0) {
      return false;
    }
    at_ += word.size();
    return true;
  }

  bool TakeDigits() {
    const char* const begin = at_;
    while (!AtEnd() && IsDigit(*at_)) ++at_;
    return at_ != begin;
  }
  bool ScanNumber() {
    const char* const begin = at_;
    Take('-');
    if (!Take('0') && !TakeDigits()) return false;
    if (Take('.') && !TakeDigits()) return false;
    if (!AtEnd() && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      if (!Take('-')) Take('+');
      const char* const exponent = at_;
      if (!TakeDigits()) return false;
      doubtful_ |= at_ - exponent > 2;
    }
    doubtful_ |= at_ - begin > 200;
    return true;
  }

  bool ScanString(Text* text) {
    if (!Take('"')) return false;
    const char* const begin = at_;
    for (;;) {
      SkipPlain();
      if (AtEnd()) return false;
      if (*at_ == '"') {
        text->raw = {begin, static_cast<std::size_t>(at_ - begin)};
        ++at_;
        return true;
      }
      if (*at_ == '\\') {
        text->escaped = true;
        if (!ScanEscape()) return false;
      } else {
        const auto left = static_cast<std::size_t>(end_ - at_);
        const std::size_t length =
            static_cast<unsigned char>(*at_) < 0x20 ? 0 : Utf8SequenceLength({at_, left});
        if (length == 0) return false;
        at_ += length;
      }
    }
  }
  void SkipPlain() {
    while (end_ - at_ >= 8) {
      std::uint64_t eight = 0;
      std::memcpy(&eight, at_, sizeof eight);
      const std::uint64_t special = SpecialBytes(eight);
      if (special != 0) {
        if constexpr (std::endian::native == std::endian::little) {
          at_ += std::countr_zero(special) / 8;
          return;
        }
        break;
      }
      at_ += 8;
    }
    while (!AtEnd() && IsPlain(*at_)) ++at_;
  }
  bool ScanEscape() {
    ++at_;
    if (AtEnd()) return false;
    const char name = *at_++;
    if (name != 'u') {
      return name != '\0' && std::strchr("\"\\/bfnrt", name) != nullptr;
    }
    const int unit = JsonCodeUnit(at_, end_);
    if (unit < 0 || IsLowSurrogate(unit)) return false;
    at_ += 4;
    if (!IsHighSurrogate(unit)) return true;
    if (!Take('\\') || !Take('u') || !IsLowSurrogate(JsonCodeUnit(at_, end_))) return false;
    at_ += 4;
    return true;
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  bool found_ = false;
  bool doubtful_ = false;
  Taken taken_ = Taken::kNothing;
  std::string_view text_;
  std::string_view next_rest_;
  int depth_ = 0;             // of the arrays and objects that are open
  int level_ = 0;             // of the objects along the path, the root's is 0
  std::uint64_t arrays_ = 0;  // a bit a depth: an array is open there
  std::size_t values_ = 0;
  std::string key_;  // unescaped
  std::string value_;
  std::array<Level, kJsonMaxDepth + 1> levels_;
};

}  // namespace

struct JsonFieldReader::Impl {
  std::string path;
  FieldScanner scanner;
  std::unique_ptr<JsonDocument> document;  // made when a number needs it

  bool IsObject(std::string_view message) {
    if (message.size() > kJsonMaxTextBytes || !scanner.Scan(message, path)) return false;
    if (!scanner.doubtful()) return true;
    if (!document) document = std::make_unique<JsonDocument>();
    return document->Parse(message).ok();
  }
};

JsonFieldReader::JsonFieldReader(std::string path) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(path);
}
JsonFieldReader::~JsonFieldReader() = default;
JsonFieldReader::JsonFieldReader(JsonFieldReader&&) noexcept = default;
JsonFieldReader& JsonFieldReader::operator=(JsonFieldReader&&) noexcept = default;

JsonFieldReader::Found JsonFieldReader::Read(std::string_view message) {
  if (!impl_->IsObject(message)) return Found::kNotObject;
  return impl_->scanner.found() ? Found::kText : Found::kAbsent;
}
std::string_view JsonFieldReader::text() const { return impl_->scanner.text(); }
const std::string& JsonFieldReader::path() const { return impl_->path; }

}  // namespace rivulet
