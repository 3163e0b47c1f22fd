// Arms of the store that a reader in this process has: --source=… with --store=memory: or file:.
// Asked for and understood where its tasks run, between two slices of messages; while a task takes
// its time, the last known arms serve.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <memory>

#include "bandit/arms_reader.h"

namespace rivulet {

class HostedStore;
class Runner;

class ReaderArms final : public ArmsReader {
 public:
  /// All must outlive it. `store` is what the runner's tasks have.
  ReaderArms(EventLoop& loop, const Clock& clock, Runner& runner, HostedStore& store,
             ArmsReaderConfig config);
  ~ReaderArms() override;

 protected:
  void Ask(Number reading, ArmsAmount amount) override;

 private:
  const Clock& clock_;
  Runner& runner_;
  HostedStore& store_;
  /// Commands that the store had carried out when it was last read whole; none: not yet. Of the
  /// thread where tasks run.
  std::shared_ptr<std::uint64_t> settled_at_ = std::make_shared<std::uint64_t>(0);
  std::shared_ptr<ReaderArms*> self_;  // what is told later looks here whether there is still one
};

}  // namespace rivulet
