// A message and a summary for the tests of tasks.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "queuereader/task.h"

namespace rivulet::test {

/// A message given field by field.
class FakeMessage final : public Message {
 public:
  explicit FakeMessage(std::string text = "{}") : text_(std::move(text)) {}
  FakeMessage& With(std::string path, double number) {
    numbers[std::move(path)] = number;
    return *this;
  }
  FakeMessage& With(std::string path, std::string text) {
    texts[std::move(path)] = std::move(text);
    return *this;
  }

  std::string_view text() const override { return text_; }
  std::optional<double> Number(std::string_view path) const override {
    auto found = numbers.find(path);
    return found == numbers.end() ? std::nullopt : std::optional<double>(found->second);
  }
  std::optional<std::string_view> Text(std::string_view path) const override {
    auto found = texts.find(path);
    return found == texts.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  }
  bool Has(std::string_view path) const override {
    return numbers.count(path) + texts.count(path) > 0;
  }
  int tries() const override { return 1; }

  std::map<std::string, double, std::less<>> numbers;
  std::map<std::string, std::string, std::less<>> texts;

 private:
  std::string text_;
};

/// What a task said.
class FakeSummary final : public Summary {
 public:
  explicit FakeSummary(const Task& task) { task.Summarize(*this); }
  void Count(std::string_view name, std::uint64_t value) override {
    counts[std::string(name)] = value;
  }
  void Number(std::string_view name, double value) override { numbers[std::string(name)] = value; }
  void Text(std::string_view name, std::string_view value) override {
    texts[std::string(name)] = value;
  }
  void Table(std::string_view, std::vector<std::string>) override {}
  void Row(std::vector<Cell> cells) override { rows.push_back(std::move(cells)); }

  std::map<std::string, std::uint64_t> counts;
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> texts;
  std::vector<std::vector<Cell>> rows;
};

}  // namespace rivulet::test
