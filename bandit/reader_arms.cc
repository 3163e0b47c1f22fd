#include "bandit/reader_arms.h"

#include <utility>

#include "queuereader/runner/runner.h"

namespace rivulet {

ReaderArms::ReaderArms(EventLoop& loop, const Clock& clock, Runner& runner, HostedStore& store,
                       ArmsReaderConfig config)
    : ArmsReader(loop, clock, std::move(config)),
      clock_(clock),
      runner_(runner),
      store_(store),
      self_(std::make_shared<ReaderArms*>(this)) {
  SayOfLate("the tasks are busy: not read");
}

ReaderArms::~ReaderArms() { *self_ = nullptr; }

void ReaderArms::Ask(Number reading, ArmsAmount amount) {
  // What is asked, what is known, and then what was found: understood where the tasks run, so that
  // the loop only takes it over.
  struct Work {
    ArmsQuestion question;
    SharedArms known_before;
    Result<SharedArms> arms = Status(StatusCode::kUnavailable, "not asked");
    Duration took{};
  };
  const auto work = std::make_shared<Work>(Work{QuestionOf(amount), known().arms});
  const bool whole =
      amount == ArmsAmount::kEverything ||
      (amount == ArmsAmount::kTotals && work->question.features == 0);  // else without the sums
  runner_.Inspect(
      [work, whole, store = &store_, clock = &clock_, settled_at = settled_at_](const Reader&) {
        // Nobody else changes this process's store: where it has done nothing, there is nothing
        // new.
        if (work->known_before != nullptr && *settled_at == store->Report().commands) {
          work->arms = std::exchange(work->known_before, nullptr);
          return;
        }
        const MonoTime began = clock->Now();
        work->arms = work->question.Understand(store->Run(work->question.Batch()),
                                               std::exchange(work->known_before, nullptr));
        work->took = clock->Now() - began;
        *settled_at = whole && work->arms.ok() ? store->Report().commands : 0;
      },
      [work, reading, self = self_] {
        if (*self != nullptr) (*self)->Took(reading, work->arms, work->took);
      });
}

}  // namespace rivulet
