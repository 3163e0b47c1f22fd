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

  /// What follows the script's name: the number of keys, the keys, `mode` and the arguments.
  void AppendTo(std::string* bytes, std::string_view mode) const;
  /// How many words that are.
  std::size_t words() const { return 2 + keys_.size() + arguments_; }

 private:
  void Begin(std::string_view op, std::string_view key);
  void Word(std::string_view text);
  void Whole(std::int64_t number);
  void Number(double number);
  std::uint32_t NumberOf(std::string_view key);
  void AddOnce(const StoreCommand& command);
  void AddMoments(const StoreCommand& command);
  void AddDecayed(const StoreCommand& command);

  std::vector<std::string> keys_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::string last_key_;
  std::uint32_t last_number_ = 0;
  std::string bytes_;
  std::size_t arguments_ = 0;
};

}  // namespace rivulet
