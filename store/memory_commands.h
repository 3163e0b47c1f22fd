// The commands of a batch, carried out on what a store holds in memory.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "store/batch_undo.h"
#include "store/held_values.h"
#include "store/once_ids.h"
#include "store/store.h"

namespace rivulet {

/// Each either does all that it is to do, or answers an error and has done nothing. While undo() is
/// open, it keeps what each change replaces.
class MemoryCommands {
 public:
  MemoryCommands(const Clock& clock, KeySeed seed) : held_(clock, seed), once_(seed) {}

  /// Any command but requirements.
  Status Do(const StoreCommand& command, StoreReply* reply);
  /// Of a requirement: kConflict where it does not hold.
  Status Require(const StoreCommand& command);

  // Without a reply around the answer.
  Result<std::int64_t> IncrementKey(std::string_view key, std::int64_t by);
  Result<std::int64_t> IncrementField(std::string_view key, std::string_view field,
                                      std::int64_t by);
  Result<double> AddScore(std::string_view key, std::string_view member, double by);

  HeldValues& held() { return held_; }
  OnceIds& once() { return once_; }
  BatchUndo& undo() { return undo_; }

 private:
  static void AnswerWhole(StoreReply* reply, std::int64_t whole) {
    reply->kind = StoreReply::Kind::kWhole;
    reply->whole = whole;
  }
  /// A field of the hash at `key`, whether they are there or not.
  struct Field {
    std::uint32_t key_at = HeldValues::kNone;
    HashFields* fields = nullptr;
    std::uint32_t field_at = HashFields::kNone;
    const Scalar* text = nullptr;
  };
  Result<Field> FindField(std::string_view key, std::string_view field);
  void EraseField(std::string_view key, std::string_view field, const Field& found);
  void PutField(std::string_view key, std::string_view field, const Field& found, Scalar text);
  /// kNone where there is nothing at `key`.
  Result<std::uint32_t> FindHash(std::string_view key);
  Result<std::uint32_t> FindSorted(std::string_view key);
  /// Makes the set where `at` is kNone.
  void PutScore(std::string_view key, std::uint32_t at, std::string_view member, double score);

  // memory_commands.cc
  Status DoText(const StoreCommand& command, StoreReply* reply);
  Status Get(const StoreCommand& command, StoreReply* reply);
  void Set(std::string_view key, std::string_view value);
  std::int64_t Delete(std::string_view key);
  void KeepGone(std::string_view key, HeldValue gone);
  std::int64_t Expire(std::string_view key, std::int64_t after_ms);
  Status DoHash(const StoreCommand& command, StoreReply* reply);
  Status ChangeNumber(const StoreCommand& command, StoreReply* reply);
  Status DeleteField(const StoreCommand& command);
  Status ReadHash(const StoreCommand& command, StoreReply* reply);
  Status AskField(const StoreCommand& command, StoreReply* reply);

  // memory_commands_sets.cc
  Status DoSorted(const StoreCommand& command, StoreReply* reply);
  Status ReadSorted(const StoreCommand& command, StoreReply* reply);
  Status DeleteMember(const StoreCommand& command);
  Status AddWithin(const StoreCommand& command, StoreReply* reply);
  Status AddDecayed(const StoreCommand& command, StoreReply* reply);
  Status Admit(const StoreCommand& command, StoreReply* reply);

  // memory_commands_summaries.cc
  Status DoDistinct(const StoreCommand& command, StoreReply* reply);
  Status MergeMoments(const StoreCommand& command);
  Status AddNumbers(const StoreCommand& command);

  HeldValues held_;
  OnceIds once_;
  BatchUndo undo_;
};

}  // namespace rivulet
