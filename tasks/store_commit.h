// How tasks carry out what messages do to a store.
#pragma once

#include <vector>

#include "base/status.h"
#include "store/store.h"

namespace rivulet {

/// Runs an atomic batch; up to three times where the outcome is unknown and what messages do in it
/// stands behind Once() with ids of theirs (`all_have_ids`). Throws TaskUnusable where the store is
/// away and the reader stops.
Result<std::vector<StoreReply>> CommitBatch(Store* store, const StoreBatch& batch,
                                            bool all_have_ids);

}  // namespace rivulet
