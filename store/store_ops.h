// What is to be known of a command before it is carried out, the same for all stores.
#pragma once

#include <optional>

#include "store/store_batch.h"

namespace rivulet {

class Moments;

/// Must hold before the batch begins.
bool IsRequirement(StoreOp op);
/// Of atomic batches alone.
bool IsOfAtomic(StoreOp op);
/// Does it ask within a group, or begin one: is the rest of the group skipped where it answers 0?
bool IsGate(StoreOp op);
/// Does it read, and no more? So do requirements.
bool OnlyReads(StoreOp op);

/// Is the value what a HashAddNumbers() may add?
bool AddsNumbers(const StoreCommand& command);
/// What a MergeMoments() gives; nothing where that is the Save() of no moments, or of some that are
/// not finite, whose m2 is below 0, or whose min is above their max.
std::optional<Moments> MomentsOf(const StoreCommand& command);

}  // namespace rivulet
