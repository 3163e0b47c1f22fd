#include "bandit/item_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "base/units.h"
#include "tasks/bandit_arms.h"

namespace rivulet {

namespace {

constexpr std::size_t kMostShown = 60;

}  // namespace

std::string ShownValue(std::string_view text) {
  return text.size() <= kMostShown ? EscapeControl(text)
                                   : EscapeControl(text.substr(0, kMostShown)) + "...";
}

Status ItemRequestReader::Read(const Request& request, ItemRequest* out) {
  out->items = 1;
  out->as_lines = false;
  out->as_json = request.accepts_json();
  out->is_head = request.is_head();
  out->excluded.clear();
  out->context.clear();
  if (!features_.empty()) {
    out->context.resize(features_.size() + 1, 0.0);
    out->context[0] = 1;
  }
  if (request.query().empty()) return Status::Ok();
  if (Status s = ReadFormat(request, out); !s.ok()) return s;
  if (Status s = ReadItems(request, out); !s.ok()) return s;
  if (auto exclude = request.Param("exclude")) out->excluded = *std::move(exclude);
  return ReadContext(request, out);
}

Status ItemRequestReader::ReadFormat(const Request& request, ItemRequest* out) const {
  const auto format = request.Param("format");
  if (!format) return Status::Ok();
  out->as_json = *format == "json";
  if (out->as_json || *format == "text") return Status::Ok();
  return InvalidArgument(fmt::format("format={}: must be text or json", ShownValue(*format)));
}

Status ItemRequestReader::ReadItems(const Request& request, ItemRequest* out) const {
  const auto n = request.Param("n");
  if (!n) return Status::Ok();
  const auto items = ParseUint(*n);
  if (!items.ok() || *items == 0 || *items > max_items_) {
    return InvalidArgument(
        fmt::format("n={}: must be a whole number from 1 to {}", ShownValue(*n), max_items_));
  }
  out->items = *items;
  out->as_lines = true;
  return Status::Ok();
}

Status ItemRequestReader::ReadContext(const Request& request, ItemRequest* out) {
  const auto text = request.Param("context");
  if (!text) return Status::Ok();
  const auto wrong = [&text](std::string_view what) {
    return InvalidArgument(fmt::format("context={}: {}", ShownValue(*text), what));
  };
  if (features_.empty()) {
    return wrong("must not be given: the arms have no context (--policy, --features)");
  }
  const Status parsed =
      document_.Parse(*text, {.refuse_duplicate_keys = true, .require_object = true});
  if (!parsed.ok()) return wrong("must be a JSON object of numbers: " + parsed.message());
  for (std::size_t i = 0; i < features_.size(); ++i) {
    const JsonValue* value = FindPath(document_.root(), features_[i]);
    if (value == nullptr) continue;
    const auto number = JsonNumber(value);
    if (!number || !(std::abs(*number) <= kMostBanditFeature)) {
      return wrong(fmt::format("{} must be a number from -{} to {}", features_[i],
                               kMostBanditFeature, kMostBanditFeature));
    }
    out->context[i + 1] = *number;
  }
  return Status::Ok();
}

void SplitIds(std::string_view list, std::vector<std::string_view>* ids) {
  ids->clear();
  while (!list.empty()) {
    const std::size_t end = list.find(',');
    if (end != 0) ids->push_back(list.substr(0, end));
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
}

}  // namespace rivulet
