// Transforms: the input is fields to remove, a newline, fields to hash, a newline, a message. What
// goes on parses, holds none of what was removed, and is the same however often it is removed.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "pubsub/transform.h"

namespace {

using rivulet::Transform;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "transform_fuzz: %s\n", what);
  std::abort();
}

std::string_view TakeLine(std::string_view* rest) {
  const auto line = rest->substr(0, rest->find('\n'));
  rest->remove_prefix(std::min(line.size() + 1, rest->size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view message(reinterpret_cast<const char*>(data), size);
  auto removed = rivulet::ParseFieldList(TakeLine(&message));
  auto hashed = rivulet::ParseFieldList(TakeLine(&message));
  if (!removed.ok() || !hashed.ok()) return 0;
  rivulet::TransformConfig config;
  config.removed_fields = *removed;
  config.hash_key = "0123456789abcdef";
  if (config.removed_fields.empty()) config.removed_fields = {"a.b"};
  rivulet::TransformConfig only_removing = config;
  config.hashed_fields = *hashed;
  auto transform = Transform::Make(config);
  Require(transform.ok(), "no transform of good fields");

  std::string out;
  const auto outcome = (*transform)->Apply(message, &out);
  rivulet::JsonDocument document;
  const rivulet::JsonLimits object{.refuse_duplicate_keys = false, .require_object = true};
  const bool json = document.Parse(message, object).ok();
  Require(json == (outcome != Transform::Outcome::kNotJson), "disagrees on what is JSON");
  if (outcome != Transform::Outcome::kChanged) return 0;
  Require(document.Parse(out, object).ok(), "what goes on does not parse");
  for (const auto& field : config.removed_fields) {
    Require(rivulet::FindPath(document.root(), field) == nullptr, "a removed field is still there");
  }
  // Hashing again gives other hashes, but there is nothing left to remove.
  auto again = Transform::Make(only_removing);
  std::string ignored;
  Require((*again)->Apply(out, &ignored) == Transform::Outcome::kUnchanged,
          "something was left to remove");
  return 0;
}
