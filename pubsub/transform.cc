#include "pubsub/transform.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <re2/re2.h>

#include <array>
#include <utility>

#include "base/json.h"
#include "base/json_field.h"
#include "base/log.h"
#include "pubsub/pattern.h"

namespace rivulet {

namespace {

constexpr std::size_t kMaxFieldBytes = 256;
constexpr std::size_t kShownHashBytes = 16;

// Finds every occurrence of a path and does something with it: act(object, member) is true when
// the member is gone. Recurses by the levels of a parsed document, which are bounded; looks at each
// value at most once, because what is left of the path is told by where the value stands.
template <typename Act>
void ForEachOccurrence(JsonValue* value, std::string_view path, const Act& act) {
  if (value->IsArray()) {
    for (auto& element : value->GetArray()) ForEachOccurrence(&element, path, act);
    return;
  }
  if (!value->IsObject()) return;
  for (rapidjson::SizeType i = 0; i < value->MemberCount();) {
    const auto member = value->MemberBegin() + i;
    const auto key = JsonText(member->name);
    if (key == path) {
      if (act(value, member)) continue;
    } else if (key.size() < path.size() && path[key.size()] == '.' && path.starts_with(key)) {
      ForEachOccurrence(&member->value, path.substr(key.size() + 1), act);
    }
    ++i;
  }
}

class FieldTransform final : public Transform {
 public:
  FieldTransform(TransformConfig config, std::unique_ptr<RE2> expected_regex)
      : config_(std::move(config)),
        expected_(config_.expected_key),
        expected_regex_(std::move(expected_regex)),
        changes_(!config_.removed_fields.empty() || !config_.hashed_fields.empty()) {}

  Outcome Apply(std::string_view message, std::string* out) override {
    if (!config_.expected_key.empty()) {
      switch (expected_.Read(message)) {
        case JsonFieldReader::Found::kNotObject:
          return Outcome::kNotJson;
        case JsonFieldReader::Found::kAbsent:
          return Outcome::kUnexpected;
        case JsonFieldReader::Found::kText:
          if (!IsExpected(expected_.text())) return Outcome::kUnexpected;
      }
    }
    if (!changes_) return Outcome::kUnchanged;
    if (!document_.Parse(message, {.refuse_duplicate_keys = false, .require_object = true}).ok()) {
      return Outcome::kNotJson;
    }
    const bool removed = Remove();
    const bool hashed = Hash();
    if (!removed && !hashed) return Outcome::kUnchanged;
    out->clear();
    AppendJson(out, document_.root());
    return Outcome::kChanged;
  }

 private:
  bool IsExpected(std::string_view text) const {
    if (config_.expected_value) return text == *config_.expected_value;
    return !expected_regex_ || MatchesAnywhere(*expected_regex_, text);
  }

  bool Remove() {
    bool changed = false;
    for (const auto& path : config_.removed_fields) {
      ForEachOccurrence(&document_.root(), path, [&](JsonValue* object, auto member) {
        object->EraseMember(member);
        return changed = true;
      });
    }
    return changed;
  }

  bool Hash() {
    bool changed = false;
    for (const auto& path : config_.hashed_fields) {
      ForEachOccurrence(&document_.root(), path, [&](JsonValue*, auto member) {
        JsonValue& value = member->value;
        if (!value.IsNull()) {
          changed = true;
          text_.clear();
          if (!value.IsString()) AppendJson(&text_, value);
          const std::string hash =
              KeyedHash(config_.hash_key, value.IsString() ? JsonText(value) : text_);
          value.SetString(hash.data(), static_cast<rapidjson::SizeType>(hash.size()),
                          document_.allocator());
        }
        return false;
      });
    }
    return changed;
  }

  TransformConfig config_;
  JsonFieldReader expected_;
  std::unique_ptr<RE2> expected_regex_;
  bool changes_;
  JsonDocument document_;
  std::string text_;
};

}  // namespace

Result<std::unique_ptr<Transform>> Transform::Make(TransformConfig config) {
  std::unique_ptr<RE2> regex;
  if (config.expected_regex) {
    auto compiled = CompilePattern("--expected-value-regex", *config.expected_regex);
    if (!compiled.ok()) return compiled.status();
    regex = std::move(compiled).value();
  }
  return std::unique_ptr<Transform>(
      std::make_unique<FieldTransform>(std::move(config), std::move(regex)));
}

Result<std::vector<std::string>> ParseFieldList(std::string_view list) {
  std::vector<std::string> fields;
  if (list.empty()) return fields;
  while (true) {
    const auto comma = list.find(',');
    const auto field = list.substr(0, comma);
    if (field.empty() || field.size() > kMaxFieldBytes || !IsValidUtf8(field) ||
        field.find('\0') != std::string_view::npos) {
      return InvalidArgument(fmt::format(
          "names of fields with commas between, as in \"email,user.name\"; each has 1 to {} bytes "
          "of UTF-8",
          kMaxFieldBytes));
    }
    fields.emplace_back(field);
    if (comma == std::string_view::npos) return fields;
    list.remove_prefix(comma + 1);
  }
}

std::string KeyedHash(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), nullptr);
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * kShownHashBytes);
  for (std::size_t i = 0; i < kShownHashBytes; ++i) {
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

}  // namespace rivulet
