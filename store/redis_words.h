// The words of a store's command in a Redis command, plain or for the script.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/store_batch.h"

namespace rivulet {

/// Has Redis a command of its own that does just this?
bool IsPlainRedis(const StoreCommand& command);
/// Does carrying it out twice differ from once?
bool IsRepeatableStoreOp(StoreOp op);

/// Appends the whole Redis command. Requires IsPlainRedis().
void AppendPlainRedis(std::string* bytes, const StoreCommand& command);

/// The keys and arguments of one call of the script.
class RedisScriptWords {
 public:
  /// `command`'s bytes outlive this. Requires a command that JudgeStoreCommand() lets pass.
  void Add(const StoreCommand& command);

  /// What follows the script's name: the number of keys, the keys, `mode`, and the arguments as an
  /// array of MessagePack.
  void AppendTo(std::string* bytes, std::string_view mode) const;
  /// How many words that are.
  std::size_t words() const { return 3 + keys_.size(); }

 private:
  void Begin(std::string_view op, std::string_view key);
  void BigEndian(char type, std::uint64_t bits, int size);
  // What Lua hands on to a command is text, and what it computes with a number.
  void Word(std::string_view text);
  void Whole(std::int64_t number);
  void NumberText(double number);
  void Count(std::uint32_t number);
  void Number(double number);
  std::uint32_t NumberOf(std::string_view key);
  void AddOnce(const StoreCommand& command);
  void AddMoments(const StoreCommand& command);
  void AddDecayed(const StoreCommand& command);
  void AddNumbers(const StoreCommand& command);

  std::vector<std::string> keys_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::string last_key_;
  std::uint32_t last_number_ = 0;
  std::string bytes_;
  std::size_t arguments_ = 0;
};

}  // namespace rivulet
