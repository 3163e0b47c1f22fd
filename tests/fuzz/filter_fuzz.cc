// Filters: the input is a key, a newline, a pattern, a newline, a message. No pattern does harm,
// and what a filter sees of a message is what a whole document has there.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/json_field.h"
#include "pubsub/filter.h"

namespace {

using rivulet::JsonFieldReader;

void Require(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "filter_fuzz: %s\n", what);
  std::abort();
}

std::string_view TakeLine(std::string_view* rest) {
  const auto line = rest->substr(0, rest->find('\n'));
  rest->remove_prefix(std::min(line.size() + 1, rest->size()));
  return line;
}

void CompareWithDocument(std::string_view key, std::string_view body) {
  using Found = JsonFieldReader::Found;
  static rivulet::JsonDocument document;
  JsonFieldReader reader{std::string(key)};
  const Found found = reader.Read(body);
  const bool object =
      document.Parse(body, {.refuse_duplicate_keys = false, .require_object = true}).ok();
  Require(object == (found != Found::kNotObject), "disagrees on what is an object");
  if (!object) return;
  const auto* value = rivulet::FindPath(document.root(), key);
  const bool text = value != nullptr && (value->IsString() || value->IsNumber() || value->IsBool());
  Require(text == (found == Found::kText), "disagrees on what is there");
  if (!text) return;
  if (value->IsString()) {
    Require(rivulet::JsonText(*value) == reader.text(), "another text");
    return;
  }
  std::string written;
  rivulet::AppendJson(&written, *value);
  // As written in the message: read again it is the document's.
  rivulet::JsonDocument again;
  Require(again.Parse(reader.text()).ok(), "a text that is no value");
  std::string read;
  rivulet::AppendJson(&read, again.root());
  Require(read == written, "another value");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto key = TakeLine(&rest);
  const auto pattern = TakeLine(&rest);
  CompareWithDocument(key, rest);

  rivulet::FilterSet set;
  const auto filter = set.Get(key, pattern);
  if (!filter.ok()) {
    Require(filter.status().message().find('\n') == std::string::npos, "a message of two lines");
    return 0;
  }
  rivulet::TopicMessage message;
  message.body = rest;
  const bool kept = (*filter)->Keeps(message);
  Require((*filter)->Keeps(message) == kept, "another answer the second time");
  Require(set.Get(key, pattern).ok() && set.size() == 1, "equal filters are two");
  JsonFieldReader reader{std::string(key)};
  Require(!kept || reader.Read(rest) == JsonFieldReader::Found::kText, "kept without the key");
  return 0;
}
