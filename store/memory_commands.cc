#include "store/memory_commands.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "store/store_text.h"

namespace rivulet {
namespace {

constexpr char kText[] = "a text";
constexpr char kHash[] = "a hash";

void AnswerText(StoreReply* reply, const Scalar* text) {
  reply->kind = text != nullptr ? StoreReply::Kind::kText : StoreReply::Kind::kNothing;
  if (text != nullptr) reply->text = text->Text();
}

Status AnswerSum(StoreReply* reply, const Result<std::int64_t>& sum) {
  if (!sum.ok()) return sum.status();
  reply->kind = StoreReply::Kind::kWhole;
  reply->whole = *sum;
  return {};
}

}  // namespace

Status MemoryCommands::Do(const StoreCommand& command, StoreReply* reply) {
  switch (command.op) {
    case StoreOp::kGet:
    case StoreOp::kSet:
    case StoreOp::kDelete:
    case StoreOp::kIncrement:
    case StoreOp::kExpire:
      return DoText(command, reply);
    case StoreOp::kHashGet:
    case StoreOp::kHashSet:
    case StoreOp::kHashDelete:
    case StoreOp::kHashIncrement:
    case StoreOp::kHashAdd:
    case StoreOp::kHashMin:
    case StoreOp::kHashMax:
    case StoreOp::kHashAll:
    case StoreOp::kHashSize:
      return DoHash(command, reply);
    case StoreOp::kSortedSet:
    case StoreOp::kSortedAdd:
    case StoreOp::kSortedAddWithin:
    case StoreOp::kSortedAddDecayed:
    case StoreOp::kSortedDelete:
    case StoreOp::kSortedScore:
    case StoreOp::kSortedTop:
    case StoreOp::kSortedSize:
      return DoSorted(command, reply);
    case StoreOp::kDistinctAdd:
    case StoreOp::kDistinctCount:
      return DoDistinct(command, reply);
    case StoreOp::kMergeMoments:
      return MergeMoments(command);
    case StoreOp::kHashAddNumbers:
      return AddNumbers(command);
    case StoreOp::kOnce: {
      OnceIds::Before before;
      const bool first =
          once_.First(command.key, command.field, held_.now_ms(), command.whole, &before);
      undo_.KeepOnce(command.key, command.field, std::move(before));
      AnswerWhole(reply, std::int64_t{first});
      return {};
    }
    case StoreOp::kAdmit:
      return Admit(command, reply);
    case StoreOp::kHashHas:
    case StoreOp::kHashHolds:
      return AskField(command, reply);
    case StoreOp::kRequireText:
    case StoreOp::kRequireAbsent:
    case StoreOp::kRequireHash:
      return {};
  }
  return NoSuchCommand(command.key, command.op);
}

Status MemoryCommands::Require(const StoreCommand& command) {
  if (command.op == StoreOp::kRequireAbsent) {
    if (held_.Find(command.key) == HeldValues::kNone) return {};
    return Conflict(command.key, "not be there");
  }
  if (command.op == StoreOp::kRequireHash) {
    const auto found = FindField(command.key, command.field);
    if (!found.ok()) return found.status();
    if (found->text != nullptr && found->text->Equals(command.value)) return {};
    return Conflict(command.key,
                    "hold " + ShownBytes(command.value) + " in " + ShownBytes(command.field));
  }
  const std::uint32_t at = held_.Find(command.key);
  if (at != HeldValues::kNone) {
    HeldValue& value = held_.At(at);
    if (value.scalar() == nullptr) return WrongKind(command.key, value.kind(), kText);
    if (value.scalar()->Equals(command.value)) return {};
  }
  return Conflict(command.key, "hold " + ShownBytes(command.value));
}

Status MemoryCommands::DoText(const StoreCommand& command, StoreReply* reply) {
  switch (command.op) {
    case StoreOp::kGet:
      return Get(command, reply);
    case StoreOp::kSet:
      Set(command.key, command.value);
      return {};
    case StoreOp::kDelete:
      AnswerWhole(reply, Delete(command.key));
      return {};
    case StoreOp::kExpire:
      AnswerWhole(reply, Expire(command.key, command.whole));
      return {};
    default:
      return AnswerSum(reply, IncrementKey(command.key, command.whole));
  }
}

Status MemoryCommands::Get(const StoreCommand& command, StoreReply* reply) {
  const std::uint32_t at = held_.Find(command.key);
  if (at == HeldValues::kNone) {
    AnswerText(reply, nullptr);
    return {};
  }
  HeldValue& value = held_.At(at);
  if (value.scalar() == nullptr) return WrongKind(command.key, value.kind(), kText);
  AnswerText(reply, value.scalar());
  return {};
}

void MemoryCommands::Set(std::string_view key, std::string_view value) {
  std::uint32_t at = held_.Find(key);
  if (at == HeldValues::kNone) {
    undo_.KeepAbsent(key);
  } else if (undo_.open() || held_.At(at).scalar() == nullptr) {
    KeepGone(key, held_.Take(at));
    at = HeldValues::kNone;
  }
  Scalar text(value);
  if (at == HeldValues::kNone) {
    at = held_.Make(key);
    held_.CountBytes(0, text.bytes());
  } else {
    held_.SetExpiry(at, 0);
    held_.CountBytes(held_.At(at).scalar()->bytes(), text.bytes());
  }
  held_.At(at).value = std::move(text);
}

std::int64_t MemoryCommands::Delete(std::string_view key) {
  const std::uint32_t at = held_.Find(key);
  if (at == HeldValues::kNone) return 0;
  KeepGone(key, held_.Take(at));
  return 1;
}

/// With a set goes what is kept of its decay.
void MemoryCommands::KeepGone(std::string_view key, HeldValue gone) {
  const bool sorted = gone.sorted() != nullptr;
  undo_.KeepValue(key, std::move(gone));
  if (!sorted) return;
  const auto decay = FindField(StoreBatch::kDecayedKey, key);
  if (decay.ok() && decay->text != nullptr) EraseField(StoreBatch::kDecayedKey, key, *decay);
}

std::int64_t MemoryCommands::Expire(std::string_view key, std::int64_t after_ms) {
  const std::uint32_t at = held_.Find(key);
  if (at == HeldValues::kNone) return 0;
  if (after_ms < 0) return Delete(key);
  std::int64_t expires_ms = 0;
  if (after_ms > 0 && __builtin_add_overflow(held_.now_ms(), after_ms, &expires_ms)) {
    expires_ms = std::numeric_limits<std::int64_t>::max();
  }
  undo_.KeepExpiry(key, held_.At(at).expires_ms);
  held_.SetExpiry(at, expires_ms);
  return 1;
}

Result<std::int64_t> MemoryCommands::IncrementKey(std::string_view key, std::int64_t by) {
  std::uint32_t at = held_.Find(key);
  if (at == HeldValues::kNone) {
    undo_.KeepAbsent(key);
    at = held_.Make(key);
    Scalar& made = held_.At(at).value.emplace<Scalar>(by);
    held_.CountBytes(0, made.bytes());
    return by;
  }
  HeldValue& value = held_.At(at);
  Scalar* scalar = value.scalar();
  if (scalar == nullptr) return WrongKind(key, value.kind(), kText);
  const auto whole = scalar->Whole();
  if (!whole) return NotWhole(key, nullptr, scalar->Text());
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*whole, by, &sum)) return LeavesWhole(key, nullptr, *whole, by);
  undo_.KeepScalar(key, *scalar);
  *scalar = Scalar(sum);
  return sum;
}

Result<std::uint32_t> MemoryCommands::FindHash(std::string_view key) {
  const std::uint32_t at = held_.Find(key);
  if (at != HeldValues::kNone && held_.At(at).hash() == nullptr) {
    return WrongKind(key, held_.At(at).kind(), kHash);
  }
  return at;
}

Result<MemoryCommands::Field> MemoryCommands::FindField(std::string_view key,
                                                        std::string_view field) {
  const auto at = FindHash(key);
  if (!at.ok()) return at.status();
  Field found;
  found.key_at = *at;
  if (*at == HeldValues::kNone) return found;
  found.fields = held_.At(*at).hash();
  found.field_at = found.fields->Find(field);
  if (found.field_at != HashFields::kNone) found.text = &found.fields->ValueAt(found.field_at);
  return found;
}

void MemoryCommands::PutField(std::string_view key, std::string_view field, const Field& found,
                              Scalar text) {
  undo_.KeepField(key, field, found.text);
  if (found.text != nullptr) {
    held_.CountBytes(found.text->bytes(), text.bytes());
    found.fields->ValueAt(found.field_at) = std::move(text);
    return;
  }
  HashFields* fields = found.fields;
  if (fields == nullptr) {
    HeldValue& made = held_.At(held_.Make(key));
    made.value = held_.NewHash();
    fields = made.hash();
  }
  held_.CountBytes(0, field.size() + text.bytes());
  fields->ValueAt(fields->Insert(field).first) = std::move(text);
}

Status MemoryCommands::DoHash(const StoreCommand& command, StoreReply* reply) {
  switch (command.op) {
    case StoreOp::kHashGet: {
      const auto found = FindField(command.key, command.field);
      if (!found.ok()) return found.status();
      AnswerText(reply, found->text);
      return {};
    }
    case StoreOp::kHashSet: {
      const auto found = FindField(command.key, command.field);
      if (!found.ok()) return found.status();
      PutField(command.key, command.field, *found, Scalar(command.value));
      return {};
    }
    case StoreOp::kHashDelete:
      return DeleteField(command);
    case StoreOp::kHashIncrement:
      return AnswerSum(reply, IncrementField(command.key, command.field, command.whole));
    case StoreOp::kHashAll:
    case StoreOp::kHashSize:
      return ReadHash(command, reply);
    default:
      return ChangeNumber(command, reply);
  }
}

Status MemoryCommands::AskField(const StoreCommand& command, StoreReply* reply) {
  const auto found = FindField(command.key, command.field);
  if (!found.ok()) return found.status();
  const bool has = found->text != nullptr;
  const bool any_text = command.op == StoreOp::kHashHas;
  AnswerWhole(reply, std::int64_t{has && (any_text || found->text->Equals(command.value))});
  return {};
}

Result<std::int64_t> MemoryCommands::IncrementField(std::string_view key, std::string_view field,
                                                    std::int64_t by) {
  const auto found = FindField(key, field);
  if (!found.ok()) return found.status();
  std::int64_t sum = by;
  if (found->text != nullptr) {
    const auto whole = found->text->Whole();
    if (!whole) return NotWhole(key, &field, found->text->Text());
    if (__builtin_add_overflow(*whole, by, &sum)) return LeavesWhole(key, &field, *whole, by);
  }
  PutField(key, field, *found, Scalar(sum));
  return sum;
}

Status MemoryCommands::ChangeNumber(const StoreCommand& command, StoreReply* reply) {
  const auto found = FindField(command.key, command.field);
  if (!found.ok()) return found.status();
  double number = command.number;
  bool stays = false;
  if (found->text != nullptr) {
    const auto held = found->text->Number();
    if (!held) return NotNumber(command.key, command.field, found->text->Text());
    stays = (command.op == StoreOp::kHashMin && *held <= number) ||
            (command.op == StoreOp::kHashMax && *held >= number);
    if (stays) number = *held;
    if (command.op == StoreOp::kHashAdd) number += *held;
  }
  if (!std::isfinite(number)) return LeavesNumbers(command.key, command.field);
  // What is held may have more digits than its number.
  if (!stays) PutField(command.key, command.field, *found, Scalar(number));
  reply->kind = StoreReply::Kind::kNumber;
  reply->number = number;
  return {};
}

Status MemoryCommands::DeleteField(const StoreCommand& command) {
  const auto found = FindField(command.key, command.field);
  if (!found.ok()) return found.status();
  if (found->text != nullptr) EraseField(command.key, command.field, *found);
  return {};
}

void MemoryCommands::EraseField(std::string_view key, std::string_view field, const Field& found) {
  if (found.fields->size() == 1) {
    Delete(key);
    return;
  }
  undo_.KeepField(key, field, found.text);
  held_.CountBytes(field.size() + found.text->bytes(), 0);
  found.fields->Erase(found.field_at);
}

Status MemoryCommands::ReadHash(const StoreCommand& command, StoreReply* reply) {
  const auto at = FindHash(command.key);
  if (!at.ok()) return at.status();
  const HashFields* fields = *at == HeldValues::kNone ? nullptr : held_.At(*at).hash();
  if (command.op == StoreOp::kHashSize) {
    AnswerWhole(reply, fields == nullptr ? 0 : static_cast<std::int64_t>(fields->size()));
    return {};
  }
  reply->kind = StoreReply::Kind::kItems;
  if (fields == nullptr) return {};
  reply->items.reserve(fields->size());
  fields->ForEach([&](std::uint32_t, std::string_view field, const Scalar& text) {
    reply->items.push_back({std::string(field), text.Text(), 0});
  });
  return {};
}

}  // namespace rivulet
