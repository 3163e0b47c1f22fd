#include "collector/mapping_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "collector/json_measure.h"

namespace rivulet {

namespace {

constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxNameBytes = 64;

bool IsName(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '@' || c == '$';
  };
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), good);
}

}  // namespace

Result<std::size_t> MappingFields::Add(std::string_view path, std::size_t line) {
  Field* object = &root_;
  std::string_view rest = path;
  for (std::size_t depth = 1;; ++depth) {
    const std::size_t dot = rest.find('.');
    const bool last = dot == std::string_view::npos;
    const std::string_view name = rest.substr(0, dot);
    if (!IsName(name) || depth > kMaxDepth) {
      return InvalidArgument(
          fmt::format("the field {} must be at most {} names with points between, each 1 to {} of "
                      "A-Z a-z 0-9 _ - @ $",
                      ShownText(path), kMaxDepth, kMaxNameBytes));
    }
    auto& fields = object->fields;
    auto field = std::find_if(fields.begin(), fields.end(),
                              [name](const Field& held) { return held.name == name; });
    const bool made = field == fields.end();
    if (made) {
      field = fields.emplace(fields.end());
      field->name = name;
      AppendJsonString(&field->prefix, name);
      field->prefix += ':';
      field->line = line;
      if (last) field->slot = slots_++;
    } else if (last != field->fields.empty()) {
      return InvalidArgument(fmt::format(
          "the field {} would be a value and an object: line {} made it {}",
          ShownText(path.substr(0, last ? path.size() : path.size() - rest.size() + dot)),
          field->line, last ? "an object" : "a value"));
    }
    if (last) return field->slot;
    rest.remove_prefix(dot + 1);
    object = &*field;
  }
}

std::size_t MappingFields::Append(std::string* out, const std::vector<MappingValue>& slots,
                                  std::size_t max_text_bytes, std::size_t max_bytes) const {
  // What closes the objects has its room kept.
  Output output{out, out->size() + max_bytes - kMaxDepth, max_text_bytes, 0};
  if (!AppendObject(root_, slots, &output)) *out += "{}";
  return output.shortened;
}

bool MappingFields::AppendObject(const Field& object, const std::vector<MappingValue>& slots,
                                 Output* output) {
  std::string* const out = output->out;
  const std::size_t begin = out->size();
  char before = '{';
  for (const Field& field : object.fields) {
    const bool is_object = !field.fields.empty();
    if (!is_object && slots[field.slot].none()) continue;
    const std::size_t at = out->size();
    *out += before;
    *out += field.prefix;
    bool kept = false;
    if (is_object) {
      kept = AppendObject(field, slots, output);
    } else {
      const bool whole = AppendValue(out, slots[field.slot], output->max_text_bytes);
      kept = out->size() <= output->end;
      if (!whole || !kept) ++output->shortened;
    }
    if (kept) {
      before = ',';
    } else {
      out->resize(at);
    }
  }
  if (out->size() == begin) return false;
  *out += '}';
  return true;
}

}  // namespace rivulet
