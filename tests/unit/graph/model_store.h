// A store as plain maps, of the commands that graphs need, which fails when it is told to.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/store.h"

namespace rivulet::test {

class GraphModelStore final : public Store {
 public:
  std::map<std::string, std::map<std::string, double>> sorted;
  std::map<std::string, std::string> decayed;  // of kDecayedKey
  std::deque<Status> failures;       // of the next Run()s; kUnknownOutcome ones are carried out
  std::vector<std::size_t> batches;  // sizes of those that were carried out
  std::string wrong_type;            // a key that holds something else

  Result<std::vector<StoreReply>> Run(const StoreBatch& batch) override {
    Status failure;
    if (!failures.empty()) {
      failure = failures.front();
      failures.pop_front();
    }
    if (!failure.ok() && failure.code() != StatusCode::kUnknownOutcome) return failure;
    StoreCommand command;
    for (StoreBatch::Reader reader(batch); reader.Next(&command);) {
      if (!wrong_type.empty() && command.key == wrong_type) {
        return InvalidArgument("key " + wrong_type + " holds a hash");
      }
    }
    std::vector<StoreReply> replies;
    bool skip = false;
    for (StoreBatch::Reader reader(batch); reader.Next(&command);) {
      if (command.op == StoreOp::kOnce) skip = false;
      replies.push_back(skip ? Skipped() : Do(command));
      if (command.op == StoreOp::kOnce) skip = replies.back().whole == 0;
    }
    batches.push_back(batch.size());
    if (!failure.ok()) return failure;
    return replies;
  }

  Result<std::vector<std::string>> Keys(std::string_view prefix, StoreKind,
                                        std::size_t most) override {
    std::vector<std::string> keys;
    for (const auto& [key, unused] : sorted) {
      if (key.starts_with(prefix)) keys.push_back(key);
    }
    if (keys.size() > most) return Status(StatusCode::kTooLarge, "too many keys");
    return keys;
  }

 private:
  static StoreReply Skipped() {
    StoreReply reply;
    reply.kind = StoreReply::Kind::kSkipped;
    return reply;
  }
  StoreReply Do(const StoreCommand& command) {
    StoreReply reply;
    reply.kind = StoreReply::Kind::kNumber;
    const std::string key(command.key);
    const std::string member(command.field);
    if (command.op == StoreOp::kOnce) {
      reply.kind = StoreReply::Kind::kWhole;
      const bool first = command.field.empty() || ids_.emplace(key, member).second;
      reply.whole = first ? 1 : 0;
    } else if (command.op == StoreOp::kSortedAdd) {
      reply.number = sorted[key][member] += command.number;
    } else if (command.op == StoreOp::kSortedAddDecayed) {
      // As of a landmark that stays: 0.
      const auto decay = StoreDecayOf(command);
      REQUIRE(decay);
      decayed[key] = "0 " + std::to_string(decay->half_life);
      reply.number = sorted[key][member] +=
          command.number * std::exp2(decay->at / decay->half_life);
    } else if (command.op == StoreOp::kSortedSize) {
      reply.kind = StoreReply::Kind::kWhole;
      reply.whole = sorted.count(key) > 0 ? static_cast<std::int64_t>(sorted[key].size()) : 0;
    } else if (command.op == StoreOp::kSortedTop) {
      reply.kind = StoreReply::Kind::kItems;
      for (const auto& [name, score] : sorted[key]) reply.items.push_back({name, "", score});
    } else if (command.op == StoreOp::kHashGet) {
      CHECK(command.key == StoreBatch::kDecayedKey);
      const auto found = decayed.find(member);
      reply.kind = found == decayed.end() ? StoreReply::Kind::kNothing : StoreReply::Kind::kText;
      if (found != decayed.end()) reply.text = found->second;
    } else {
      FAIL("a command that graphs do not need");
    }
    return reply;
  }

  std::set<std::pair<std::string, std::string>> ids_;
};

}  // namespace rivulet::test
