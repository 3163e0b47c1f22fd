// Why a command was refused, before it was sent, by the script or by the server, in the words that
// all stores use.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "algorithms/moments.h"
#include "store/redis_batch.h"
#include "store/store_ops.h"
#include "store/store_text.h"

namespace rivulet {
namespace {

std::string KindName(std::string_view redis_type) {
  if (redis_type == "string") return "a text";
  if (redis_type == "zset") return "a sorted set";
  return fmt::format("a {}", redis_type);
}

std::string_view NeededKind(StoreOp op) {
  const auto number = static_cast<std::uint32_t>(op);
  if (op == StoreOp::kMergeMoments || op == StoreOp::kRequireHash) return "hash";
  if (op == StoreOp::kHashHas || op == StoreOp::kHashHolds) return "hash";
  if (op == StoreOp::kAdmit) return "zset";
  return number >= 20 && number < 30 ? "zset" : number >= 10 && number < 20 ? "hash" : "string";
}

}  // namespace

Status JudgeStoreCommand(const StoreCommand& command, StoreBatch::Mode mode) {
  const auto number = static_cast<std::uint32_t>(command.op);
  const bool of_atomic = IsOfAtomic(command.op);
  const bool known = of_atomic || (number >= 1 && number <= 5) || (number >= 10 && number <= 19) ||
                     (number >= 20 && number <= 27) || (number >= 30 && number <= 32);
  if (!known) return NoSuchCommand(command.key, command.op);
  if (of_atomic && mode != StoreBatch::Mode::kAtomic) return OnlyAtomic(command.key);
  if (command.op == StoreOp::kMergeMoments && !MomentsOf(command)) {
    return NoMoments(command.key);
  }
  if (command.op == StoreOp::kHashAddNumbers && !AddsNumbers(command)) {
    return NoNumbers(command.key, command.field);
  }
  if (command.op == StoreOp::kSortedAddWithin && command.whole < 1) {
    return NoCapacity(command.key, command.whole);
  }
  if (command.op == StoreOp::kSortedAddDecayed && !StoreDecayOf(command)) {
    return NoDecay(command.key);
  }
  if (command.op == StoreOp::kSortedAddDecayed && command.key == StoreBatch::kDecayedKey) {
    return KeyOfDecays(command.key);
  }
  return {};
}

Status RedisRefusal(const StoreCommand& command, std::string_view what, std::string_view value) {
  const std::string_view* field = command.field.empty() ? nullptr : &command.field;
  if (what == "kind") {
    const std::size_t space = std::min(value.find(' '), value.size());
    const std::string_view needs = value.substr(std::min(space + 1, value.size()));
    return WrongKind(command.key, KindName(value.substr(0, space)), KindName(needs));
  }
  if (what == "log") return WrongKind(command.key, "a text", "a distinct count");
  if (what == "whole") return NotWhole(command.key, field, value);
  if (what == "overflow") {
    std::int64_t held = 0;
    std::from_chars(value.data(), value.data() + value.size(), held);
    return LeavesWhole(command.key, field, held, command.whole);
  }
  if (what == "number") return NotNumber(command.key, command.field, value);
  if (what == "range" && command.op == StoreOp::kMergeMoments) {
    return LeavesNumbers(command.key, "m2, m3 or m4");
  }
  if (what == "range") return LeavesNumbers(command.key, command.field);
  if (what == "numbers") return NotNumbers(command.key, command.field);
  if (what == "moments") return NotNumber(command.key, "one of its moments", value);
  if (what == "decay") return NotNumber(StoreBatch::kDecayedKey, command.key, value);
  if (what == "conflict") return Conflict(command.key, "hold the text that was read");
  if (what == "present") return Conflict(command.key, "be absent");
  return InvalidArgument(fmt::format("key {} was refused: {}", ShownBytes(command.key), what));
}

void RedisBatch::TakeError(std::size_t command, const std::string& error) {
  const StoreCommand& asked = commands_[command];
  const auto has = [&](std::string_view words) { return error.find(words) != std::string::npos; };
  const std::string place =
      asked.field.empty()
          ? fmt::format("key {}", ShownBytes(asked.key))
          : fmt::format("key {}, field {}", ShownBytes(asked.key), ShownBytes(asked.field));
  if (has("HyperLogLog")) {
    Fail(command, RedisRefusal(asked, "log", ""));
  } else if (error.starts_with("WRONGTYPE")) {
    wrong_kinds_.push_back(command);
    Fail(command, WrongKind(asked.key, "another kind", KindName(NeededKind(asked.op))));
  } else if (has("overflow")) {
    Fail(command, InvalidArgument(fmt::format("{}: the sum of what it holds and {} must not leave "
                                              "64 bits",
                                              place, asked.whole)));
  } else if (has("not an integer")) {
    Fail(command, InvalidArgument(place + " must hold a whole number of 64 bits"));
  } else if (has("not a float") || has("not a valid float")) {
    Fail(command, InvalidArgument(place + " must hold a number"));
  } else if (has("NaN or Infinity")) {
    Fail(command, RedisRefusal(asked, "range", ""));
  } else {
    Fail(command, InvalidArgument(fmt::format("{}: the server answered {}", place, error)));
  }
}

void RedisBatch::NameKind(std::size_t command, std::string_view redis_type) {
  const std::string kinds = fmt::format("{} {}", redis_type, NeededKind(commands_[command].op));
  Fail(command, RedisRefusal(commands_[command], "kind", kinds));
}

}  // namespace rivulet
