// Commands on summaries of streams.
#include <algorithm>
#include <array>
#include <cmath>

#include "algorithms/moments.h"
#include "store/memory_commands.h"
#include "store/packed_numbers.h"
#include "store/store_ops.h"
#include "store/store_text.h"

namespace rivulet {
namespace {

constexpr char kDistinct[] = "a count of the distinct";
constexpr std::string_view kCountField = "n";

struct NumberField {
  std::string_view name;
  double Moments::Sums::*number;
};
constexpr std::array<NumberField, 6> kNumberFields = {{{"mean", &Moments::Sums::mean},
                                                       {"m2", &Moments::Sums::m2},
                                                       {"m3", &Moments::Sums::m3},
                                                       {"m4", &Moments::Sums::m4},
                                                       {"min", &Moments::Sums::min},
                                                       {"max", &Moments::Sums::max}}};

bool Finite(const Moments::Sums& sums) {
  for (const NumberField& field : kNumberFields) {
    if (!std::isfinite(sums.*field.number)) return false;
  }
  return true;
}

}  // namespace

Status MemoryCommands::DoDistinct(const StoreCommand& command, StoreReply* reply) {
  std::uint32_t at = held_.Find(command.key);
  const bool there = at != HeldValues::kNone;
  if (there && held_.At(at).distinct() == nullptr) {
    return WrongKind(command.key, held_.At(at).kind(), kDistinct);
  }
  reply->kind = StoreReply::Kind::kWhole;
  if (command.op == StoreOp::kDistinctCount) {
    if (there) reply->whole = std::llround(held_.At(at).distinct()->sketch.Estimate());
    return {};
  }
  if (there) {
    undo_.KeepDistinct(command.key, held_.At(at).distinct());
  } else {
    undo_.KeepAbsent(command.key);
    at = held_.Make(command.key);
    held_.At(at).value = std::make_unique<DistinctElements>();
  }
  HyperLogLog& sketch = held_.At(at).distinct()->sketch;
  const std::size_t before = BytesOf(sketch);
  reply->whole = sketch.Update(command.value) ? 1 : 0;
  held_.CountBytes(before, BytesOf(sketch));
  return {};
}

Status MemoryCommands::MergeMoments(const StoreCommand& command) {
  const auto given = MomentsOf(command);
  if (!given) return NoMoments(command.key);
  const auto count = FindField(command.key, kCountField);
  if (!count.ok()) return count.status();
  Moments merged;
  if (count->text != nullptr) {
    const auto n = count->text->Whole();
    if (!n || *n < 0) return NotWhole(command.key, &kCountField, count->text->Text());
    Moments::Sums held;
    held.count = static_cast<std::uint64_t>(*n);
    for (const NumberField& each : kNumberFields) {
      const auto field = FindField(command.key, each.name);
      const Scalar* text = field->text;
      const auto number = text == nullptr ? std::nullopt : text->Number();
      if (!number) return NotNumber(command.key, each.name, text == nullptr ? "" : text->Text());
      held.*each.number = *number;
    }
    merged = Moments::FromSums(held);
  }
  if (given->count() == 0) return {};
  merged.Merge(*given);
  const Moments::Sums sums = merged.sums();
  if (!Finite(sums)) return LeavesNumbers(command.key, "m2, m3 or m4");
  std::int64_t n = 0;
  if (__builtin_add_overflow(sums.count, 0, &n) || sums.count < given->count()) {
    return LeavesNumbers(command.key, kCountField);
  }
  PutField(command.key, kCountField, *count, Scalar(n));
  for (const NumberField& each : kNumberFields) {
    const auto field = FindField(command.key, each.name);
    PutField(command.key, each.name, *field, Scalar(sums.*each.number));
  }
  return {};
}

Status MemoryCommands::AddNumbers(const StoreCommand& command) {
  auto sums = UnpackNumbers(command.value);
  if (!sums) return NoNumbers(command.key, command.field);
  const auto found = FindField(command.key, command.field);
  if (!found.ok()) return found.status();
  if (sums->empty()) return {};
  if (found->text != nullptr) {
    const auto held = UnpackNumbers(found->text->Text());
    if (!held) return NotNumbers(command.key, command.field);
    // Not with a 0 where no more came: of a -0 that would make a 0, and another store does not.
    const std::size_t both = std::min(sums->size(), held->size());
    for (std::size_t i = 0; i < both; ++i) (*sums)[i] += (*held)[i];
    sums->insert(sums->end(), held->begin() + static_cast<std::ptrdiff_t>(both), held->end());
  }
  const bool finite =
      std::all_of(sums->begin(), sums->end(), [](double sum) { return std::isfinite(sum); });
  if (!finite) return LeavesNumbers(command.key, command.field);
  PutField(command.key, command.field, *found, Scalar(std::string_view(PackNumbers(*sums))));
  return {};
}

}  // namespace rivulet
