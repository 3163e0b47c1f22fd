#include "store/store_ops.h"

#include <cmath>

#include "algorithms/moments.h"
#include "store/packed_numbers.h"

namespace rivulet {

bool IsRequirement(StoreOp op) {
  return op == StoreOp::kRequireText || op == StoreOp::kRequireAbsent ||
         op == StoreOp::kRequireHash;
}

bool IsOfAtomic(StoreOp op) { return IsRequirement(op) || IsGate(op); }

bool IsGate(StoreOp op) {
  return op == StoreOp::kOnce || op == StoreOp::kAdmit || op == StoreOp::kHashHas ||
         op == StoreOp::kHashHolds;
}

bool OnlyReads(StoreOp op) {
  switch (op) {
    case StoreOp::kGet:
    case StoreOp::kHashGet:
    case StoreOp::kHashAll:
    case StoreOp::kHashSize:
    case StoreOp::kSortedScore:
    case StoreOp::kSortedTop:
    case StoreOp::kSortedSize:
    case StoreOp::kDistinctCount:
    case StoreOp::kHashHas:
    case StoreOp::kHashHolds:
      return true;
    default:
      return IsRequirement(op);
  }
}

bool AddsNumbers(const StoreCommand& command) { return UnpackNumbers(command.value).has_value(); }

std::optional<Moments> MomentsOf(const StoreCommand& command) {
  auto moments = Moments::Load(command.value);
  if (!moments || moments->count() == 0) return moments;
  const Moments::Sums sums = moments->sums();
  for (const double number : {sums.mean, sums.m2, sums.m3, sums.m4, sums.min, sums.max}) {
    if (!std::isfinite(number)) return std::nullopt;
  }
  if (sums.m2 < 0 || sums.min > sums.max) return std::nullopt;
  return moments;
}

}  // namespace rivulet
