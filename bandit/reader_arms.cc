#include "bandit/reader_arms.h"

#include <utility>

#include "queuereader/runner.h"

namespace rivulet {

ReaderArms::ReaderArms(EventLoop& loop, const Clock& clock, Runner& runner, HostedStore& store,
                       ArmsReaderConfig config)
    : ArmsReader(loop, clock, std::move(config)),
      runner_(runner),
      store_(store),
      self_(std::make_shared<ReaderArms*>(this)) {}

ReaderArms::~ReaderArms() { *self_ = nullptr; }

void ReaderArms::Ask(StoreBatch batch) {
  using Replies = Result<std::vector<StoreReply>>;
  const auto replies = std::make_shared<Replies>(Status(StatusCode::kUnavailable, "not asked"));
  runner_.Inspect([replies, batch = std::move(batch),
                   store = &store_](const Reader&) { *replies = store->Run(batch); },
                  [replies, self = self_] {
                    if (*self != nullptr) (*self)->Took(*replies);
                  });
}

}  // namespace rivulet
