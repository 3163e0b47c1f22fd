// What a task of batches emits for single messages.
#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "queuereader/reader.h"

using namespace rivulet;

namespace {

/// Emits each message for itself, in disorder, and fails "2"; "4" in a batch fails that.
class Halves final : public Task {
 public:
  Outcome Run(const Message& message, Context& context) override {
    context.EmitFor(0, "out", message.text());
    return message.text() == "2" ? Outcome::Failed("two") : Outcome::Done();
  }
  std::size_t batch_size() const override { return 8; }
  void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                Context& context) override {
    for (std::size_t i = messages.size(); i > 0; --i) {
      context.EmitFor(i - 1, "out", messages[i - 1]->text());
      if (messages[i - 1]->text() == "2") outcomes[i - 1] = Outcome::Failed("two");
      if (messages[i - 1]->text() == "4") throw std::runtime_error("four");
    }
  }
};

std::vector<std::string> Emitted(const std::vector<std::string>& messages) {
  ReaderTasks tasks;
  tasks.all_tasks.push_back({"halves", std::make_unique<Halves>()});
  ReaderSurroundings surroundings;
  surroundings.outputs = {"out"};
  Reader reader({}, std::move(tasks), surroundings);
  std::vector<Incoming> incoming;
  for (const std::string& message : messages) incoming.push_back({message, {}, {}});
  std::vector<Verdict> verdicts;
  reader.Handle(incoming, WallTime(), &verdicts);
  std::vector<std::string> all;
  for (const Verdict& verdict : verdicts) {
    std::string one;
    for (const Emission& emission : verdict.emissions) one += emission.message;
    all.push_back(one);
  }
  return all;
}

}  // namespace

TEST_CASE("reader: what is emitted for a message goes with it, whatever became of the others") {
  CHECK(Emitted({"1", "2", "3"}) == std::vector<std::string>{"1", "", "3"});
  CHECK(Emitted({"1"}) == std::vector<std::string>{"1"});
  CHECK(Emitted({"2"}) == std::vector<std::string>{""});
}

TEST_CASE("reader: what is emitted for a place beyond the batch is refused") {
  struct Beyond final : Task {
    Outcome Run(const Message&, Context& context) override {
      context.EmitFor(1, "out", "1");
      return Outcome::Done();
    }
  };
  ReaderTasks tasks;
  tasks.all_tasks.push_back({"beyond", std::make_unique<Beyond>()});
  ReaderSurroundings surroundings;
  surroundings.outputs = {"out"};
  Reader reader({}, std::move(tasks), surroundings);
  std::vector<Verdict> verdicts;
  const Incoming incoming{"1", {}, {}};
  reader.Handle({&incoming, 1}, WallTime(), &verdicts);
  CHECK(verdicts.at(0).why.find("place 1 must be one of") != std::string::npos);
}

TEST_CASE(
    "reader: what a batch emits that throws does not go, only what its messages do one by one") {
  CHECK(Emitted({"1", "4", "3"}) == std::vector<std::string>{"1", "4", "3"});
}
