// A source in memory whose answers the test gives by hand, and that writes down what it is told.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "queuereader/source/source.h"

namespace rivulet {

class ScriptedSource final : public Source {
 public:
  explicit ScriptedSource(const Clock& clock) : clock_(clock) {}

  void Listen(Events events) override { events_ = std::move(events); }
  void Fetch() override {
    REQUIRE_FALSE(fetching);
    fetching = true;
    ++fetches;
  }
  bool CancelFetch() override {
    if (cancels) fetching = false;
    return cancels;
  }
  void Settle(std::vector<Settlement> settlements) override {
    for (Settlement& settlement : settlements) pending.push_back(std::move(settlement));
  }
  void Touch(std::uint32_t, std::vector<std::string> receipts,
             std::function<void(const Status&)> answer) override {
    for (std::string& receipt : receipts) touched.push_back(std::move(receipt));
    touches.push_back(std::move(answer));
  }
  void AskDrained(std::function<void(bool)> answer) override { asked_drained = std::move(answer); }
  bool leases() const override { return leases_messages; }
  Duration lease() const override { return lease_time; }
  bool keeps_requeued() const override { return keeps; }
  bool reads_again() const override { return again; }
  std::size_t unsettled() const override { return pending.size(); }
  std::vector<std::string> Abandon() override {
    std::vector<std::string> bodies;
    for (Settlement& settlement : pending) {
      if (settlement.receipt.empty() && !settlement.body.empty()) {
        bodies.push_back(std::move(settlement.body));
      }
    }
    pending.clear();
    return bodies;
  }
  std::string origin_name(std::uint32_t) const override { return "here"; }
  std::size_t origins() const override { return 1; }
  std::string Save() const override { return place; }
  Status Load(std::string_view saved) override {
    place = saved;
    return {};
  }
  std::string name() const override { return "a script"; }

  /// Answers the fetch; of leases the messages' numbers go on from `next_id`.
  void Answer(const std::vector<std::string>& bodies, Batch::State none = Batch::State::kEmpty,
              bool requeued = false) {
    REQUIRE(fetching);
    fetching = false;
    Batch batch;
    batch.state = bodies.empty() ? none : Batch::State::kMessages;
    if (batch.state == Batch::State::kFailed) {
      batch.status = Status(StatusCode::kUnavailable, "refused");
    }
    batch.leased_until = clock_.Now() + lease_time;
    for (const std::string& body : bodies) {
      Delivery message;
      message.offset = batch.bytes.size();
      message.size = body.size();
      message.requeued = requeued;
      batch.bytes += body;
      if (leases_messages) {
        message.id = next_id++;
        const std::string receipt = "r" + std::to_string(message.id) + "/" + std::to_string(round);
        message.receipt_offset = batch.bytes.size();
        message.receipt_size = receipt.size();
        batch.bytes += receipt;
      } else if (!keeps) {
        message.place = next_id++;
      }
      batch.messages.push_back(message);
    }
    events_.fetched(std::move(batch));
  }
  /// Takes what was settled.
  std::vector<Settlement> TakeAll(Settled how = Settled::kDone) {
    std::vector<Settlement> taken = std::exchange(pending, {});
    for (const Settlement& settlement : taken) {
      events_.settled(settlement.token, how,
                      how == Settled::kRefused ? InvalidArgument("answered 413") : Status());
    }
    return taken;
  }
  void Lose(const std::vector<std::string>& receipts) { events_.lost(0, receipts); }
  void Doubt() { events_.doubted(0); }
  /// Of all that were asked for.
  void AnswerTouches(const Status& status = {}) {
    for (const auto& answer : std::exchange(touches, {})) answer(status);
  }
  /// What the reader had asked for is not answered any more; its leases have ended.
  void Forget() {
    pending.clear();
    fetching = false;
    ++round;
    asked_drained = nullptr;
  }
  /// "finish r1/0", "requeue r2/0 BODY", in the order that they were settled in.
  std::vector<std::string> Told() const {
    std::vector<std::string> told;
    for (const Settlement& settlement : pending) {
      constexpr const char* kFates[] = {"finish", "requeue", "bury", "return"};
      std::string line = kFates[static_cast<int>(settlement.fate)];
      for (const std::string& part : {settlement.receipt, settlement.body}) {
        if (!part.empty()) line += " " + part;
      }
      told.push_back(line);
    }
    return told;
  }

  bool fetching = false;
  int fetches = 0;
  int round = 0;  // of leases: part of the receipts
  std::uint64_t next_id = 1;
  bool cancels = true;
  bool leases_messages = true;
  bool keeps = true;
  bool again = false;
  Duration lease_time = std::chrono::seconds(30);
  std::string place;
  std::vector<Settlement> pending;
  std::vector<std::string> touched;
  std::vector<std::function<void(const Status&)>> touches;
  std::function<void(bool)> asked_drained;

 private:
  const Clock& clock_;
  Events events_;
};

}  // namespace rivulet
