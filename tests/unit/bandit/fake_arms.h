// A source of arms that says what a test tells it to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bandit/arms_source.h"

namespace rivulet {

/// Of counters as the store has them, by id.
inline std::shared_ptr<BanditArms> ArmsOf(std::vector<BanditArm> arms, std::uint64_t round = 1) {
  auto made = std::make_shared<BanditArms>();
  made->arms = std::move(arms);
  made->round = round;
  return made;
}

class FakeArms final : public ArmsSource {
 public:
  void Start() override {}
  const KnownArms& known() const override { return known_; }
  void ReadNow(std::function<void()> done) override { waiting.push_back(std::move(done)); }

  void Tell(std::shared_ptr<const BanditArms> arms, MonoTime asked_at) {
    known_.arms = std::move(arms);
    known_.asked_at = asked_at;
    known_.status = {};
  }
  void FreshFor(Duration fresh) { known_.fresh_for = fresh; }
  void Fail(std::string why) { known_.status = Status(StatusCode::kUnavailable, std::move(why)); }
  /// Ends all readings that were asked for.
  void EndReadings() {
    for (const auto& done : std::exchange(waiting, {})) done();
  }

  std::vector<std::function<void()>> waiting;

 private:
  KnownArms known_;
};

}  // namespace rivulet
