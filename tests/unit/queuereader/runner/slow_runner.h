// A runner whose tasks run when the test says so, apart from the loop.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "tests/unit/queuereader/runner/runner_support.h"

namespace rivulet {

/// An executor that keeps its work until it is told.
class SlowExecutor final : public Executor {
 public:
  void Do(std::function<void()> work, std::function<void()> done) override {
    todo.emplace_back(std::move(work), std::move(done));
  }
  void RunOne() {
    auto [work, done] = std::move(todo.front());
    todo.erase(todo.begin());
    work();
    done();
  }
  std::vector<std::pair<std::function<void()>, std::function<void()>>> todo;
};

struct SlowFixture : RunnerFixture {
  explicit SlowFixture(Setup setup = {}) : RunnerFixture(std::move(setup)) {
    Close();
    source.Forget();
    source.round = 0;
    executor = &slow;
    Open();
    runner->Start();
    slow.RunOne();  // the first Tick()
  }
  ~SlowFixture() { Close(); }
  SlowExecutor slow;
};

}  // namespace rivulet
