// Commands on sorted sets.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "store/memory_commands.h"
#include "store/store_text.h"

namespace rivulet {
namespace {

constexpr double kLandmarkMoves = 30;  // half-lives
constexpr std::size_t kScoreBytes = 8;

void AnswerNumber(StoreReply* reply, double number) {
  reply->kind = StoreReply::Kind::kNumber;
  reply->number = number;
}

/// "LANDMARK HALF_LIFE"
std::optional<StoreDecay> ReadDecay(std::string_view text) {
  StoreDecay decay;
  const char* end = text.data() + text.size();
  const auto [space, error] = std::from_chars(text.data(), end, decay.at);
  if (error != std::errc() || space == end || *space != ' ') return std::nullopt;
  const auto [stop, second] = std::from_chars(space + 1, end, decay.half_life);
  if (second != std::errc() || stop != end) return std::nullopt;
  if (!std::isfinite(decay.at) || !std::isfinite(decay.half_life) || !(decay.half_life > 0)) {
    return std::nullopt;
  }
  return decay;
}

}  // namespace

Result<std::uint32_t> MemoryCommands::FindSorted(std::string_view key) {
  const std::uint32_t at = held_.Find(key);
  if (at != HeldValues::kNone && held_.At(at).sorted() == nullptr) {
    return WrongKind(key, held_.At(at).kind(), "a sorted set");
  }
  return at;
}

void MemoryCommands::PutScore(std::string_view key, std::uint32_t at, std::string_view member,
                              double score) {
  if (at == HeldValues::kNone) {
    at = held_.Make(key);
    held_.At(at).value = held_.NewSorted();
  }
  SortedSet& sorted = *held_.At(at).sorted();
  if (undo_.open()) undo_.KeepMember(key, member, sorted.Score(member));
  if (sorted.Set(member, score)) held_.CountBytes(0, member.size() + kScoreBytes);
}

Result<double> MemoryCommands::AddScore(std::string_view key, std::string_view member, double by) {
  const auto at = FindSorted(key);
  if (!at.ok()) return at.status();
  if (*at == HeldValues::kNone) {
    PutScore(key, *at, member, by);
    return by;
  }
  SortedSet& sorted = *held_.At(*at).sorted();
  // What is kept is not needed where the sum is refused, and does no harm: it is what is there.
  if (undo_.open()) undo_.KeepMember(key, member, sorted.Score(member));
  const auto added = sorted.Add(member, by);
  if (!added) return LeavesNumbers(key, member);
  if (added->made) held_.CountBytes(0, member.size() + kScoreBytes);
  return added->sum;
}

Status MemoryCommands::DoSorted(const StoreCommand& command, StoreReply* reply) {
  switch (command.op) {
    case StoreOp::kSortedSet: {
      const auto at = FindSorted(command.key);
      if (!at.ok()) return at.status();
      PutScore(command.key, *at, command.field, command.number);
      return {};
    }
    case StoreOp::kSortedAdd: {
      const auto sum = AddScore(command.key, command.field, command.number);
      if (!sum.ok()) return sum.status();
      AnswerNumber(reply, *sum);
      return {};
    }
    case StoreOp::kSortedAddWithin:
      return AddWithin(command, reply);
    case StoreOp::kSortedAddDecayed:
      return AddDecayed(command, reply);
    case StoreOp::kSortedDelete:
      return DeleteMember(command);
    default:
      return ReadSorted(command, reply);
  }
}

Status MemoryCommands::ReadSorted(const StoreCommand& command, StoreReply* reply) {
  const auto at = FindSorted(command.key);
  if (!at.ok()) return at.status();
  const SortedSet* sorted = *at == HeldValues::kNone ? nullptr : held_.At(*at).sorted();
  if (command.op == StoreOp::kSortedSize) {
    AnswerWhole(reply, sorted == nullptr ? 0 : static_cast<std::int64_t>(sorted->size()));
  } else if (command.op == StoreOp::kSortedTop) {
    reply->kind = StoreReply::Kind::kItems;
    if (sorted != nullptr) reply->items = sorted->Top(command.whole);
  } else {
    const auto score = sorted == nullptr ? std::nullopt : sorted->Score(command.field);
    reply->kind = StoreReply::Kind::kNothing;
    if (score) AnswerNumber(reply, *score);
  }
  return {};
}

Status MemoryCommands::DeleteMember(const StoreCommand& command) {
  const auto at = FindSorted(command.key);
  if (!at.ok()) return at.status();
  if (*at == HeldValues::kNone) return {};
  SortedSet& sorted = *held_.At(*at).sorted();
  const auto score = sorted.Score(command.field);
  if (!score) return {};
  if (sorted.size() == 1) {
    Delete(command.key);
    return {};
  }
  undo_.KeepMember(command.key, command.field, score);
  sorted.Erase(command.field);
  held_.CountBytes(command.field.size() + kScoreBytes, 0);
  return {};
}

Status MemoryCommands::AddWithin(const StoreCommand& command, StoreReply* reply) {
  if (command.whole < 1) return NoCapacity(command.key, command.whole);
  const auto at = FindSorted(command.key);
  if (!at.ok()) return at.status();
  SortedSet* sorted = *at == HeldValues::kNone ? nullptr : held_.At(*at).sorted();
  const auto capacity = static_cast<std::size_t>(command.whole);
  if (sorted == nullptr || sorted->size() < capacity || sorted->Score(command.field)) {
    const auto sum = AddScore(command.key, command.field, command.number);
    if (!sum.ok()) return sum.status();
    AnswerNumber(reply, *sum);
    return {};
  }
  // There was more room before, perhaps.
  std::vector<std::pair<std::string, double>> excess;
  while (sorted->size() > capacity) {
    const auto [name, score] = sorted->Least();
    excess.emplace_back(name, score);
    sorted->Erase(name);
  }
  const auto [least, score] = sorted->Least();
  const double sum = score + command.number;
  if (!std::isfinite(sum)) {
    for (const auto& [name, held] : excess) sorted->Set(name, held);
    return LeavesNumbers(command.key, command.field);
  }
  for (const auto& [name, held] : excess) {
    undo_.KeepOtherMember(command.key, name, held);
    held_.CountBytes(name.size() + kScoreBytes, 0);
  }
  // Before the least goes: a set that holds nothing is no set.
  PutScore(command.key, *at, command.field, sum);
  undo_.KeepOtherMember(command.key, least, score);
  held_.CountBytes(least.size() + kScoreBytes, 0);
  sorted->Erase(least);
  AnswerNumber(reply, sum);
  return {};
}

Status MemoryCommands::AddDecayed(const StoreCommand& command, StoreReply* reply) {
  const auto given = StoreDecayOf(command);
  if (!given) return NoDecay(command.key);
  if (command.key == StoreBatch::kDecayedKey) return KeyOfDecays(command.key);
  const auto at = FindSorted(command.key);
  if (!at.ok()) return at.status();
  const auto place = FindField(StoreBatch::kDecayedKey, command.key);
  if (!place.ok()) return place.status();
  SortedSet* sorted = *at == HeldValues::kNone ? nullptr : held_.At(*at).sorted();
  StoreDecay decay = *given;
  const bool begins = sorted == nullptr || place->text == nullptr;
  if (!begins) {
    const std::string text = place->text->Text();
    const auto kept = ReadDecay(text);
    if (!kept) return NotNumber(StoreBatch::kDecayedKey, command.key, text);
    decay = *kept;
  }
  double scale = 1;
  if ((given->at - decay.at) / decay.half_life > kLandmarkMoves) {
    scale = std::exp2((decay.at - given->at) / decay.half_life);
    decay.at = given->at;
  }
  const double by = command.number * std::exp2((given->at - decay.at) / decay.half_life);
  const double before = sorted == nullptr ? 0 : sorted->Score(command.field).value_or(0);
  const double sum = before * scale + by;
  if (!std::isfinite(sum)) return LeavesNumbers(command.key, command.field);

  if (begins || scale != 1) {
    PutField(StoreBatch::kDecayedKey, command.key, *place,
             Scalar(fmt::format("{} {}", decay.at, decay.half_life)));
  }
  if (scale != 1 && sorted != nullptr) {
    if (undo_.open()) {
      sorted->ForEach([&](std::string_view member, double score) {
        undo_.KeepOtherMember(command.key, member, score);
      });
    }
    sorted->Scale(scale);
  }
  PutScore(command.key, *at, command.field, sum);
  AnswerNumber(reply, sum);
  return {};
}

Status MemoryCommands::Admit(const StoreCommand& command, StoreReply* reply) {
  const auto at = FindSorted(command.key);
  if (!at.ok()) return at.status();
  const SortedSet* sorted = *at == HeldValues::kNone ? nullptr : held_.At(*at).sorted();
  const auto size = sorted == nullptr ? 0 : static_cast<std::int64_t>(sorted->size());
  const bool held = sorted != nullptr && sorted->Score(command.field);
  if (!held && size >= command.whole) {
    AnswerWhole(reply, 0);
    return {};
  }
  const auto sum = AddScore(command.key, command.field, 1);
  if (!sum.ok()) return sum.status();
  AnswerWhole(reply, 1);
  return {};
}

}  // namespace rivulet
