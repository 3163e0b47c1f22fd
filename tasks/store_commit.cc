#include "tasks/store_commit.h"

#include "queuereader/task_unusable.h"

namespace rivulet {
namespace {

constexpr int kTries = 3;

}  // namespace

Result<std::vector<StoreReply>> CommitBatch(Store* store, const StoreBatch& batch,
                                            bool all_have_ids) {
  auto replies = store->Run(batch);
  for (int tries = 1; tries < kTries && all_have_ids; ++tries) {
    if (replies.status().code() != StatusCode::kUnknownOutcome) break;
    replies = store->Run(batch);
  }
  if (replies.status().code() == StatusCode::kUnavailable) {
    throw TaskUnusable(replies.status().message());
  }
  return replies;
}

}  // namespace rivulet
