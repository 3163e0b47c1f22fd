// Tasks that leave it to chance.
//
// sample:rate=R[,seed=N]: lets a share R (0 to 1) of the messages pass and drops the others. Chosen
// is at a message's first try: one that comes to be tried again was let through before. For
// --preprocess and --validate, or before other tasks.
//
// fail:rate=R[,seed=N]: fails at a share R (0 to 1) of the tries, to see retries, backoff and
// give-up at work.
//
// The same seed (1 where it is absent) chooses the same of the same stream. Where the generator
// stands is part of the state.
#pragma once

#include "queuereader/task.h"
#include "tasks/split_mix.h"

namespace rivulet {

class SampleTask final : public Task {
 public:
  explicit SampleTask(TaskArgs& args);
  Outcome Run(const Message& message, Context&) override {
    return message.tries() > 1 || random_.Chance(rate_) ? Outcome::Done() : Outcome::Drop();
  }
  std::string Save() const override;
  Status Load(std::string_view saved) override;

 private:
  double rate_;
  std::uint64_t seed_;
  SplitMix64 random_;
};

class FailTask final : public Task {
 public:
  explicit FailTask(TaskArgs& args);
  Outcome Run(const Message&, Context&) override {
    return random_.Chance(rate_) ? Outcome::Failed("by chance") : Outcome::Done();
  }
  std::string Save() const override;
  Status Load(std::string_view saved) override;

 private:
  double rate_;
  std::uint64_t seed_;
  SplitMix64 random_;
};

}  // namespace rivulet
