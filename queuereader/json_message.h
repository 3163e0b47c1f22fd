// A message as a view of a parsed document: the one implementation of Message for data that is
// here.
#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"
#include "queuereader/task.h"

namespace rivulet {

/// Borrows all that it is given, until it is bound again. Costs no allocation.
class JsonMessage final : public Message {
 public:
  struct Binding {
    std::string_view text;            // of `data`, as JSON
    const JsonValue* data = nullptr;  // `text`, parsed
    int tries = 1;
    WallTime started{};
    std::string_view id;
  };
  void Bind(const Binding& binding) { bound_ = binding; }

  std::string_view text() const override { return bound_.text; }
  std::optional<double> Number(std::string_view path) const override {
    return JsonNumber(FindPath(*bound_.data, path));
  }
  std::optional<std::string_view> Text(std::string_view path) const override {
    const JsonValue* value = FindPath(*bound_.data, path);
    if (!value || !value->IsString()) return std::nullopt;
    return JsonText(*value);
  }
  bool Has(std::string_view path) const override { return FindPath(*bound_.data, path) != nullptr; }
  int tries() const override { return bound_.tries; }
  WallTime started() const override { return bound_.started; }
  std::string_view id() const override { return bound_.id; }

 private:
  Binding bound_;
};

}  // namespace rivulet
