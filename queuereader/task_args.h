// The arguments of a task: `moments:field=t,minus=hc` is the task `moments` with two of them.
//
// A task takes what it knows; what nobody took is an unknown key, refused with the list of those
// that were asked for. Header-only, for tasks in shared objects.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace rivulet {

class Store;

class TaskArgs {
 public:
  using Values = std::map<std::string, std::string, std::less<>>;

  TaskArgs() = default;
  /// `outputs`: the names of --output.
  explicit TaskArgs(Values values, std::vector<std::string> outputs = {}, Store* store = nullptr)
      : values_(std::move(values)), outputs_(std::move(outputs)), store_(store) {}

  /// What Context::store() gives, for the life of the task, so that what is in the store can be
  /// shown, too; the same thread's. Null where there is none.
  Store* store() const { return store_; }

  /// The value of `key`, or `fallback` where it is not given.
  std::string Text(std::string_view key, std::string_view fallback = {}) {
    const std::string* value = Take(key);
    return value ? *value : std::string(fallback);
  }
  /// As Text(), but absent or empty is an error.
  std::string RequiredText(std::string_view key) {
    std::string value = Text(key);
    if (value.empty()) Fail("needs " + std::string(key) + "=VALUE");
    return value;
  }
  /// A whole number from `low` to `high`.
  std::uint64_t Uint(std::string_view key, std::uint64_t fallback, std::uint64_t low,
                     std::uint64_t high) {
    const std::string* value = Take(key);
    if (!value) return fallback;
    std::uint64_t number = 0;
    const char* end = value->data() + value->size();
    auto [stop, error] = std::from_chars(value->data(), end, number);
    if (error == std::errc() && stop == end && number >= low && number <= high) return number;
    Fail(std::string(key) + "=" + *value + " must be a whole number from " + std::to_string(low) +
         " to " + std::to_string(high));
    return fallback;
  }

  /// A number from `low` to `high`.
  double Number(std::string_view key, double fallback, double low, double high) {
    const std::string* value = Take(key);
    if (!value) return fallback;
    double number = 0;
    const char* end = value->data() + value->size();
    auto [stop, error] = std::from_chars(value->data(), end, number);
    if (error == std::errc() && stop == end && number >= low && number <= high) return number;
    Fail(std::string(key) + "=" + *value + " must be a number from " + Shortest(low) + " to " +
         Shortest(high));
    return fallback;
  }
  /// The name of an output that the reader has; without the key `fallback`, which may be empty.
  std::string Output(std::string_view key, std::string_view fallback = {}) {
    std::string name = Text(key, fallback);
    if (name.empty()) return name;
    for (const std::string& output : outputs_) {
      if (output == name) return name;
    }
    Fail("needs --output=" + name + "=URL");
    return name;
  }

  /// Refuses the arguments; the first reason is kept.
  void Fail(std::string why) {
    if (why_.empty()) why_ = std::move(why);
  }

  /// OK when nothing failed and every key was taken. Unknown keys are told first: one may be the
  /// needed one, misspelt.
  Status Check() const {
    for (const auto& [key, value] : values_) {
      if (taken_.find(key) == taken_.end()) {
        return InvalidArgument("unknown key '" + key + "'; it takes " + Known());
      }
    }
    return why_.empty() ? Status() : InvalidArgument(why_);
  }

 private:
  const std::string* Take(std::string_view key) {
    taken_.emplace(key, true);
    auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }
  std::string Known() const {
    std::string names;
    for (const auto& [key, unused] : taken_) names += (names.empty() ? "" : ", ") + key;
    return names.empty() ? "none" : names;
  }

  static std::string Shortest(double value) {
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
  }

  Values values_;
  std::vector<std::string> outputs_;
  Store* store_ = nullptr;
  std::map<std::string, bool, std::less<>> taken_;
  std::string why_;
};

}  // namespace rivulet
