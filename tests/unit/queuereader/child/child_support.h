// What the tests of children share: a message of given text, and a context that notes what it is
// told.
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "queuereader/task.h"
#include "store/store.h"

namespace rivulet {

struct TextMessage final : Message {
  explicit TextMessage(std::string its_text) : bytes(std::move(its_text)) {}
  std::string_view text() const override { return bytes; }
  std::optional<double> Number(std::string_view) const override { return std::nullopt; }
  std::optional<std::string_view> Text(std::string_view) const override { return std::nullopt; }
  bool Has(std::string_view path) const override {
    return bytes.find('"' + std::string(path) + '"') != std::string::npos;
  }
  int tries() const override { return 1; }
  WallTime started() const override { return {}; }
  std::string_view id() const override { return {}; }
  std::string bytes;
};

struct NotingContext final : Context {
  void Emit(std::string_view output, std::string_view message) override {
    if (output == "nowhere") throw std::invalid_argument("no output nowhere");
    emitted.push_back(std::string(output) + " " + std::string(message));
  }
  void EmitFor(std::size_t place, std::string_view output, std::string_view message) override {
    Emit(output, message);
    emitted_for.push_back(place);
  }
  void Count(std::string_view counter, std::uint64_t by) override {
    counted[std::string(counter)] += by;
  }
  Store& store() override { throw std::logic_error("no store"); }
  WallTime now() const override { return {}; }
  void Log(std::string_view) override {}

  std::vector<std::string> emitted;
  std::vector<std::size_t> emitted_for;
  std::map<std::string, std::uint64_t> counted;
};

/// "done", "drop", "data …", "failed: …" or "failed at full speed: …", for comparisons.
inline std::string Told(const Outcome& outcome) {
  switch (outcome.kind()) {
    case Outcome::Kind::kDone:
      return "done";
    case Outcome::Kind::kDrop:
      return "drop";
    case Outcome::Kind::kReplace:
      return "data " + outcome.data();
    case Outcome::Kind::kFailed:
      return "failed: " + outcome.why();
    case Outcome::Kind::kFailedWithoutBackoff:
      return "failed at full speed: " + outcome.why();
  }
  return "?";
}

}  // namespace rivulet
