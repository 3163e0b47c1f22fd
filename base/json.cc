#include "base/json.h"

#include <fmt/format.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

namespace rivulet {

namespace {

using Pool = rapidjson::MemoryPoolAllocator<>;
using PooledDocument = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, Pool>;

constexpr unsigned kParseFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag;
// RapidJSON reads whole vectors, beyond the final NUL too; the padding keeps that inside the
// buffer.
constexpr std::size_t kPaddingBytes = 64;
constexpr std::size_t kFirstPoolBytes = 16 * 1024;
// What a document keeps from one parse to the next.
constexpr std::size_t kMaxKeptBytes = 1024 * 1024;

// A pool over one buffer that follows the need of the parses before, so that in the steady state a
// parse calls no malloc.
class KeptPool {
 public:
  KeptPool() { Rebuild(kFirstPoolBytes); }
  Pool& pool() { return *pool_; }

  void Clear() {
    const std::size_t used = pool_->Capacity();
    pool_->Clear();
    if (used > bytes_ && bytes_ < kMaxKeptBytes) Rebuild(std::min(2 * used, kMaxKeptBytes));
  }
  /// True when Clear() would make a new pool.
  bool Outgrown() const { return pool_->Capacity() > bytes_ && bytes_ < kMaxKeptBytes; }

 private:
  void Rebuild(std::size_t bytes) {
    pool_.reset();
    bytes_ = bytes;
    buffer_ = std::make_unique_for_overwrite<char[]>(bytes);
    pool_.emplace(buffer_.get(), bytes);
  }

  std::size_t bytes_ = 0;
  std::unique_ptr<char[]> buffer_;
  std::optional<Pool> pool_;  // borrows buffer_
};

enum class Refusal { kNone, kDepth, kValues, kKeyBytes, kKeyNul, kSurrogate, kNumber };

// Passes the reader's events on to the document and refuses what RapidJSON lets through.
class CheckingHandler {
 public:
  using Size = rapidjson::SizeType;

  /// `end` is the end of the text that `stream` reads.
  CheckingHandler(PooledDocument& document, const rapidjson::InsituStringStream& stream,
                  const char* end, bool unicode_escapes, std::size_t max_values)
      : document_(document),
        stream_(stream),
        end_(end),
        unicode_escapes_(unicode_escapes),
        max_values_(max_values) {}

  Refusal refusal() const { return refusal_; }

  bool Null() { return Count() && document_.Null(); }
  bool Bool(bool b) { return Count() && document_.Bool(b); }
  bool Int(int i) { return Count() && document_.Int(i); }
  bool Uint(unsigned u) { return Count() && document_.Uint(u); }
  bool Int64(std::int64_t i) { return Count() && document_.Int64(i); }
  bool Uint64(std::uint64_t u) { return Count() && document_.Uint64(u); }
  bool Double(double rough) {
    double exact = 0;
    if (!Count() || !ReadDouble(rough, &exact)) return false;
    return document_.Double(exact);
  }
  bool RawNumber(const char* text, Size length, bool copy) {
    return document_.RawNumber(text, length, copy);
  }
  bool String(const char* text, Size length, bool copy) {
    return Count() && CheckText(text, length) && document_.String(text, length, copy);
  }
  bool Key(const char* text, Size length, bool copy) {
    if (length > kJsonMaxKeyBytes) return Refuse(Refusal::kKeyBytes);
    // Keys become file names, metric labels and keys of stores. A raw NUL was refused before.
    if (unicode_escapes_ && std::memchr(text, 0, length) != nullptr) {
      return Refuse(Refusal::kKeyNul);
    }
    return CheckText(text, length) && document_.Key(text, length, copy);
  }
  bool StartObject() { return Enter() && document_.StartObject(); }
  bool StartArray() { return Enter() && document_.StartArray(); }
  bool EndObject(Size members) {
    --depth_;
    return document_.EndObject(members);
  }
  bool EndArray(Size elements) {
    --depth_;
    return document_.EndArray(elements);
  }

 private:
  bool Refuse(Refusal why) {
    refusal_ = why;
    return false;
  }
  bool Count() { return ++values_ <= max_values_ || Refuse(Refusal::kValues); }
  bool Enter() {
    if (!Count()) return false;
    return ++depth_ <= kJsonMaxDepth || Refuse(Refusal::kDepth);
  }
  // RapidJSON is off by a few units in the last place, and in its full precision mode turns
  // 179769313486231580793e289 into -5.56e-308. It reads a number through a copy of the stream, so
  // that ours still stands at the first byte.
  bool ReadDouble(double rough, double* exact) {
    const auto error = std::from_chars(stream_.src_, end_, *exact).ec;
    if (error == std::errc()) return true;
    const bool underflow = error == std::errc::result_out_of_range && std::abs(rough) < 1;
    *exact = std::copysign(0.0, rough);
    return underflow || Refuse(Refusal::kNumber);
  }
  // A lone low surrogate, written as an escape, comes out of RapidJSON as invalid UTF-8.
  bool CheckText(const char* text, Size length) {
    return !unicode_escapes_ || IsValidUtf8({text, length}) || Refuse(Refusal::kSurrogate);
  }

  PooledDocument& document_;
  const rapidjson::InsituStringStream& stream_;
  const char* const end_;
  const bool unicode_escapes_;  // whether there is any in the text
  const std::size_t max_values_;
  Refusal refusal_ = Refusal::kNone;
  std::size_t values_ = 0;
  int depth_ = 0;
};

struct TextTraits {
  bool non_ascii = false;
  bool unicode_escape = false;
  bool control = false;  // 0x1a to 0x1f, never valid; RapidJSON's vector code lets them through
};

// One pass over `text`, which kPaddingBytes follow. Blocks of a fixed size, which g++ vectorises.
TextTraits Survey(const char* text, std::size_t size) {
  constexpr std::size_t kBlock = 32;
  unsigned char high = 0;
  unsigned char escape = 0;
  unsigned char control = 0;
  for (std::size_t at = 0; at < size; at += kBlock) {
    const auto* p = reinterpret_cast<const unsigned char*>(text + at);
    for (std::size_t i = 0; i < kBlock; ++i) {
      high = static_cast<unsigned char>(high | p[i]);
      escape =
          static_cast<unsigned char>(escape | ((p[i] == '\\' ? 1 : 0) & (p[i + 1] == 'u' ? 1 : 0)));
      control = static_cast<unsigned char>(control |
                                           (static_cast<unsigned char>(p[i] - 0x1a) < 6 ? 1 : 0));
    }
  }
  return {(high & 0x80) != 0, escape != 0, control != 0};
}

std::string_view Describe(rapidjson::ParseErrorCode code) {
  switch (code) {
    case rapidjson::kParseErrorDocumentEmpty:
      return "there is no value";
    case rapidjson::kParseErrorDocumentRootNotSingular:
      return "bytes after the value";
    case rapidjson::kParseErrorObjectMissName:
      return "a key must be a string in double quotes";
    case rapidjson::kParseErrorObjectMissColon:
      return "missing colon after a key";
    case rapidjson::kParseErrorObjectMissCommaOrCurlyBracket:
      return "missing comma or }";
    case rapidjson::kParseErrorArrayMissCommaOrSquareBracket:
      return "missing comma or ]";
    case rapidjson::kParseErrorStringUnicodeEscapeInvalidHex:
      return "\\u must be followed by four hexadecimal digits";
    case rapidjson::kParseErrorStringUnicodeSurrogateInvalid:
      return "lone surrogate";
    case rapidjson::kParseErrorStringEscapeInvalid:
      return "invalid escape, or a raw control byte in a string";
    case rapidjson::kParseErrorStringMissQuotationMark:
      return "a string does not end";
    case rapidjson::kParseErrorNumberTooBig:
      return "a number beyond the range of a double";
    case rapidjson::kParseErrorNumberMissFraction:
      return "a number must have a digit after its point";
    case rapidjson::kParseErrorNumberMissExponent:
      return "a number must have a digit in its exponent";
    default:
      return "not a value";
  }
}

Status Invalid(std::size_t at, std::string_view what) {
  return InvalidArgument(fmt::format("invalid JSON at byte {}: {}", at, what));
}

Status Explain(Refusal refusal, std::size_t at, std::size_t max_values) {
  const auto too_large = [at](std::string what) {
    return Status(StatusCode::kTooLarge, fmt::format("JSON too large at byte {}: {}", at, what));
  };
  switch (refusal) {
    case Refusal::kDepth:
      return Invalid(at, fmt::format("more than {} levels of arrays and objects", kJsonMaxDepth));
    case Refusal::kValues:
      return too_large(fmt::format("more than {} values", max_values));
    case Refusal::kKeyBytes:
      return too_large(fmt::format("a key of more than {} bytes", kJsonMaxKeyBytes));
    case Refusal::kKeyNul:
      return Invalid(at, "a key must not hold a NUL");
    case Refusal::kSurrogate:
      return Invalid(at, "lone surrogate");
    case Refusal::kNumber:
      return Invalid(at, Describe(rapidjson::kParseErrorNumberTooBig));
    case Refusal::kNone:
      break;
  }
  return Invalid(at, "not a value");
}

// The first key that appears twice in one object, or nothing.
std::optional<std::string> FindDuplicateKey(const JsonValue& root) {
  std::vector<const JsonValue*> todo = {&root};
  std::vector<std::string_view> keys;
  while (!todo.empty()) {
    const JsonValue& value = *todo.back();
    todo.pop_back();
    if (value.IsArray()) {
      for (const auto& element : value.GetArray()) {
        if (element.IsArray() || element.IsObject()) todo.push_back(&element);
      }
    } else if (value.IsObject()) {
      keys.clear();
      for (const auto& member : value.GetObject()) {
        keys.push_back(JsonText(member.name));
        if (member.value.IsArray() || member.value.IsObject()) todo.push_back(&member.value);
      }
      std::sort(keys.begin(), keys.end());
      const auto twice = std::adjacent_find(keys.begin(), keys.end());
      if (twice != keys.end()) return std::string(*twice);
    }
  }
  return std::nullopt;
}

}  // namespace

struct JsonDocument::Impl {
  KeptPool values;
  KeptPool stack;
  std::optional<PooledDocument> document;  // borrows both pools
  rapidjson::Reader reader;
  std::unique_ptr<char[]> text;  // strings of the document lie here
  std::size_t text_bytes = 0;

  Impl() { document.emplace(&values.pool(), 0, &stack.pool()); }

  // Forgets the old document and makes room for `text`, with zeros behind.
  void Load(std::string_view source) {
    document->SetNull();
    const bool renew = values.Outgrown() || stack.Outgrown();
    if (renew) document.reset();
    values.Clear();
    stack.Clear();
    if (renew) document.emplace(&values.pool(), 0, &stack.pool());

    const std::size_t need = source.size() + kPaddingBytes;
    if (need > text_bytes || (text_bytes > kMaxKeptBytes && need <= kMaxKeptBytes)) {
      text_bytes = need <= kMaxKeptBytes ? std::max<std::size_t>(4096, 2 * need) : need;
      text.reset();
      text = std::make_unique_for_overwrite<char[]>(text_bytes);
    }
    if (!source.empty()) std::memcpy(text.get(), source.data(), source.size());
    std::memset(text.get() + source.size(), 0, kPaddingBytes);
  }

  Status CheckBytes(std::string_view source, TextTraits traits) const {
    if (const void* nul = std::memchr(source.data(), 0, source.size())) {
      return Invalid(static_cast<std::size_t>(static_cast<const char*>(nul) - source.data()),
                     "a raw NUL byte");
    }
    if (traits.control) {
      const std::size_t at = source.find_first_of("\x1a\x1b\x1c\x1d\x1e\x1f");
      return Invalid(at, "a raw control byte");
    }
    if (!traits.non_ascii) return {};
    if (source.starts_with("\xef\xbb\xbf")) return Invalid(0, "a byte order mark");
    const std::size_t at = FindInvalidUtf8(source);
    return at == std::string_view::npos ? Status() : Invalid(at, "not UTF-8");
  }

  Status Parse(std::string_view source, JsonLimits limits) {
    Load(source);
    const TextTraits traits = Survey(text.get(), source.size());
    if (Status status = CheckBytes({text.get(), source.size()}, traits); !status.ok()) {
      return status;
    }
    rapidjson::InsituStringStream stream(text.get());
    Refusal refusal = Refusal::kNone;
    rapidjson::ParseResult result;
    auto generate = [&](PooledDocument& target) {
      CheckingHandler handler(target, stream, text.get() + source.size(), traits.unicode_escape,
                              limits.max_values);
      result = reader.Parse<kParseFlags>(stream, handler);
      refusal = handler.refusal();
      return !result.IsError();
    };
    document->Populate(generate);
    if (result.IsError()) {
      document->SetNull();
      if (refusal != Refusal::kNone) return Explain(refusal, result.Offset(), limits.max_values);
      return Invalid(result.Offset(), Describe(result.Code()));
    }
    return CheckLimits(limits);
  }

  Status CheckLimits(JsonLimits limits) {
    if (limits.require_object && !document->IsObject()) {
      document->SetNull();
      return InvalidArgument("invalid JSON: must be an object");
    }
    if (limits.refuse_duplicate_keys) {
      if (const auto key = FindDuplicateKey(*document)) {
        document->SetNull();
        std::string quoted;
        AppendJsonString(&quoted, std::string_view(*key).substr(0, 64));
        return InvalidArgument(fmt::format("invalid JSON: the key {} appears twice", quoted));
      }
    }
    return {};
  }
};

JsonDocument::JsonDocument() : impl_(std::make_unique<Impl>()) {}
JsonDocument::~JsonDocument() = default;
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;

Status JsonDocument::Parse(std::string_view text, JsonLimits limits) {
  if (text.size() > kJsonMaxTextBytes) {
    impl_->Load({});
    return {StatusCode::kTooLarge,
            fmt::format("JSON of {} bytes must be at most {}", text.size(), kJsonMaxTextBytes)};
  }
  return impl_->Parse(text, limits);
}

JsonValue& JsonDocument::root() { return *impl_->document; }
const JsonValue& JsonDocument::root() const { return *impl_->document; }
rapidjson::Document::AllocatorType& JsonDocument::allocator() { return impl_->values.pool(); }

const JsonValue* FindMember(const JsonValue& object, std::string_view key) {
  if (!object.IsObject()) return nullptr;
  for (auto member = object.MemberBegin(); member != object.MemberEnd(); ++member) {
    if (JsonText(member->name) == key) return &member->value;
  }
  return nullptr;
}

const JsonValue* FindPath(const JsonValue& object, std::string_view path) {
  const JsonValue* at = &object;
  while (true) {
    std::size_t end = path.size();
    const JsonValue* found = FindMember(*at, path);
    while (found == nullptr) {
      if (end == 0) return nullptr;
      end = path.rfind('.', end - 1);
      if (end == std::string_view::npos) return nullptr;
      found = FindMember(*at, path.substr(0, end));
    }
    if (end == path.size()) return found;
    at = found;
    path.remove_prefix(end + 1);
  }
}

std::optional<double> JsonNumber(const JsonValue* value) {
  if (value == nullptr || !value->IsNumber()) return std::nullopt;
  return value->GetDouble();
}

}  // namespace rivulet
