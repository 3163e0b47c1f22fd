// Feedback for the tests of the task `bandit`, and a look into its store.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/memory_store.h"
#include "tasks/bandit_arms.h"
#include "tests/unit/tasks/support.h"

namespace rivulet::test {

/// An impression or a click; cheap, for there are many.
class FeedbackMessage final : public Message {
 public:
  FeedbackMessage(std::string type, std::string item, std::string id = {})
      : type_(std::move(type)), item_(std::move(item)), id_(std::move(id)) {}
  FeedbackMessage& InRound(double round) {
    round_ = round;
    return *this;
  }
  FeedbackMessage& With(const std::string& path, double x) {
    context_[path] = x;
    return *this;
  }

  std::string_view text() const override { return "{}"; }
  std::optional<double> Number(std::string_view path) const override {
    if (path == "round") return round_;
    const auto found = context_.find(path);
    return found == context_.end() ? std::nullopt : std::optional<double>(found->second);
  }
  std::optional<std::string_view> Text(std::string_view path) const override {
    if (path == "type") return type_;
    if (path == "item") return item_;
    return std::nullopt;
  }
  bool Has(std::string_view path) const override { return Number(path) || Text(path); }
  int tries() const override { return 1; }
  WallTime started() const override { return {}; }
  std::string_view id() const override { return id_; }

 private:
  std::string type_;
  std::string item_;
  std::string id_;
  std::optional<double> round_;
  std::map<std::string, double, std::less<>> context_;
};

inline FeedbackMessage Impression(std::string item, std::string id = {}) {
  return {"impression", std::move(item), std::move(id)};
}
inline FeedbackMessage Click(std::string item, std::string id = {}) {
  return {"click", std::move(item), std::move(id)};
}

/// A task that has been given its first Tick(), as a reader does before the first message.
inline std::unique_ptr<Task> MakeBandit(const std::string& spec, Store* store) {
  auto task = MakeTaskOf(spec, store);
  task->Tick();
  return task;
}

/// All in one RunBatch(), each done.
template <typename Messages>
void RunFeedback(Task& task, const Messages& messages, WallTime now = FakeContext().at) {
  std::vector<const Message*> pointers;
  for (const auto& message : messages) pointers.push_back(&message);
  std::vector<Outcome> outcomes(pointers.size(), Outcome::Done());
  FakeContext context;
  context.at = now;
  task.RunBatch(pointers, outcomes, context);
  for (const Outcome& outcome : outcomes) CHECK(outcome.kind() == Outcome::Kind::kDone);
}

inline BanditArms BanditIn(Store& store, std::size_t features = 0, const BanditKeys& keys = {}) {
  StoreBatch ask;
  AskBandit(&ask, keys, features);
  const auto replies = store.Run(ask);
  REQUIRE(replies.ok());
  auto bandit = ReadBandit(*replies, features);
  REQUIRE_MESSAGE(bandit.ok(), bandit.status().message());
  return std::move(*bandit);
}

/// "a=1/1 b=2/5": clicks and impressions, by id.
inline std::string CountersIn(Store& store) {
  std::string all;
  for (const BanditArm& arm : BanditIn(store).arms) {
    if (!all.empty()) all += ' ';
    all += arm.id + "=" + std::to_string(arm.clicks) + "/" + std::to_string(arm.impressions);
  }
  return all;
}

}  // namespace rivulet::test
