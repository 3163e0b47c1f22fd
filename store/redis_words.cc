#include "store/redis_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

#include "algorithms/moments.h"
#include "store/counted_id.h"
#include "store/packed_numbers.h"
#include "store/redis_client.h"
#include "store/store_ops.h"

namespace rivulet {
namespace {

// HINCRBYFLOAT keeps 17 digits behind the point, so that of small numbers nothing would be left;
// ZINCRBY makes an infinite sum of two that are near the end of a double's range.
constexpr double kSmallPlain = 1e-4;
constexpr double kLargePlain = 1e17;
constexpr double kLargeScore = 1e290;

// With as many of these as a batch may have, no sum of finite scores below 1e290 is infinite.
bool IsSureScore(double by) { return std::fabs(by) <= 1e270; }

void AppendWhole(std::string* bytes, std::int64_t number) {
  const fmt::format_int text(number);
  AppendRedisWord(bytes, {text.data(), text.size()});
}

void AppendNumber(std::string* bytes, double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  AppendRedisWord(bytes, {text, static_cast<std::size_t>(end - text)});
}

std::string OnceKey(std::string_view scope) {
  std::string key(StoreBatch::kOncePrefix);
  for (const char c : scope) {
    if (c == '|') {
      key += "%7C";
    } else if (c == '%') {
      key += "%25";
    } else {
      key += c;
    }
  }
  return key;
}

void Plain(std::string* bytes, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) AppendRedisWord(bytes, word);
}

}  // namespace

bool IsPlainRedis(const StoreCommand& command) {
  const double size = std::fabs(command.number);
  switch (command.op) {
    case StoreOp::kHashAdd:
      return size >= kSmallPlain && size <= kLargePlain;
    case StoreOp::kSortedAdd:
      return size <= kLargeScore;
    case StoreOp::kExpire:
      return command.whole != 0;
    case StoreOp::kHashMin:
    case StoreOp::kHashMax:
    case StoreOp::kHashAddNumbers:
    case StoreOp::kSortedAddWithin:
    case StoreOp::kSortedAddDecayed:
    case StoreOp::kMergeMoments:
    case StoreOp::kOnce:
    case StoreOp::kAdmit:
    case StoreOp::kRequireText:
    case StoreOp::kRequireAbsent:
    case StoreOp::kRequireHash:
    case StoreOp::kHashHas:
    case StoreOp::kHashHolds:
      return false;
    default:
      return true;
  }
}

bool IsRepeatableStoreOp(StoreOp op) {
  switch (op) {
    case StoreOp::kIncrement:
    case StoreOp::kHashIncrement:
    case StoreOp::kHashAdd:
    case StoreOp::kHashAddNumbers:
    case StoreOp::kSortedAdd:
    case StoreOp::kSortedAddWithin:
    case StoreOp::kSortedAddDecayed:
    case StoreOp::kMergeMoments:
    case StoreOp::kAdmit:
      return false;
    default:
      return true;
  }
}

void AppendPlainRedis(std::string* bytes, const StoreCommand& command) {
  const auto [op, key, field, value, whole, number] = command;
  switch (op) {
    case StoreOp::kGet:
      *bytes += "*2\r\n$3\r\nGET\r\n";
      return Plain(bytes, {key});
    case StoreOp::kSet:
      *bytes += "*3\r\n$3\r\nSET\r\n";
      return Plain(bytes, {key, value});
    case StoreOp::kDelete:
      *bytes += "*2\r\n$3\r\nDEL\r\n";
      return Plain(bytes, {key});
    case StoreOp::kIncrement:
      *bytes += "*3\r\n$6\r\nINCRBY\r\n";
      Plain(bytes, {key});
      return AppendWhole(bytes, whole);
    case StoreOp::kExpire:
      *bytes += "*3\r\n$7\r\nPEXPIRE\r\n";
      Plain(bytes, {key});
      return AppendWhole(bytes, whole);
    case StoreOp::kHashGet:
      *bytes += "*3\r\n$4\r\nHGET\r\n";
      return Plain(bytes, {key, field});
    case StoreOp::kHashSet:
      *bytes += "*4\r\n$4\r\nHSET\r\n";
      return Plain(bytes, {key, field, value});
    case StoreOp::kHashDelete:
      *bytes += "*3\r\n$4\r\nHDEL\r\n";
      return Plain(bytes, {key, field});
    case StoreOp::kHashIncrement:
      *bytes += "*4\r\n$7\r\nHINCRBY\r\n";
      Plain(bytes, {key, field});
      return AppendWhole(bytes, whole);
    case StoreOp::kHashAdd:
      *bytes += "*4\r\n$12\r\nHINCRBYFLOAT\r\n";
      Plain(bytes, {key, field});
      return AppendNumber(bytes, number);
    case StoreOp::kHashAll:
      *bytes += "*2\r\n$7\r\nHGETALL\r\n";
      return Plain(bytes, {key});
    case StoreOp::kHashSize:
      *bytes += "*2\r\n$4\r\nHLEN\r\n";
      return Plain(bytes, {key});
    case StoreOp::kSortedSet:
      *bytes += "*4\r\n$4\r\nZADD\r\n";
      Plain(bytes, {key});
      AppendNumber(bytes, number);
      return Plain(bytes, {field});
    case StoreOp::kSortedAdd:
      *bytes += "*4\r\n$7\r\nZINCRBY\r\n";
      Plain(bytes, {key});
      AppendNumber(bytes, number);
      return Plain(bytes, {field});
    case StoreOp::kSortedDelete:
      *bytes += "*3\r\n$4\r\nZREM\r\n";
      return Plain(bytes, {key, field});
    case StoreOp::kSortedScore:
      *bytes += "*3\r\n$6\r\nZSCORE\r\n";
      return Plain(bytes, {key, field});
    case StoreOp::kSortedTop:
      *bytes += "*5\r\n$9\r\nZREVRANGE\r\n";
      Plain(bytes, {key, whole == 0 ? "1" : "0"});
      AppendWhole(bytes, whole < 0 ? -1 : whole == 0 ? 0 : whole - 1);
      return Plain(bytes, {"WITHSCORES"});
    case StoreOp::kSortedSize:
      *bytes += "*2\r\n$5\r\nZCARD\r\n";
      return Plain(bytes, {key});
    case StoreOp::kDistinctAdd:
      *bytes += "*3\r\n$5\r\nPFADD\r\n";
      return Plain(bytes, {key, value});
    case StoreOp::kDistinctCount:
      *bytes += "*2\r\n$7\r\nPFCOUNT\r\n";
      return Plain(bytes, {key});
    default:
      return;  // not plain
  }
}

std::uint32_t RedisScriptWords::NumberOf(std::string_view key) {
  if (last_number_ != 0 && last_key_ == key) return last_number_;
  last_key_ = key;
  const auto [at, is_new] =
      numbers_.emplace(last_key_, static_cast<std::uint32_t>(keys_.size()) + 1);
  if (is_new) keys_.push_back(last_key_);
  return last_number_ = at->second;
}

// MessagePack, which Lua reads many times as fast as words of a command.
void RedisScriptWords::BigEndian(char type, std::uint64_t bits, int size) {
  bytes_ += type;
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
    bytes_ += static_cast<char>((bits >> shift) & 0xff);
  }
}

void RedisScriptWords::Word(std::string_view text) {
  if (text.size() < 32) {
    bytes_ += static_cast<char>(0xa0 | text.size());
  } else if (text.size() < 65536) {
    BigEndian('\xda', text.size(), 2);
  } else {
    BigEndian('\xdb', text.size(), 4);
  }
  bytes_ += text;
  ++arguments_;
}

void RedisScriptWords::Whole(std::int64_t number) {
  const fmt::format_int text(number);
  Word({text.data(), text.size()});
}

void RedisScriptWords::NumberText(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  Word({text, static_cast<std::size_t>(end - text)});
}

void RedisScriptWords::Count(std::uint32_t number) {
  if (number < 128) {
    bytes_ += static_cast<char>(number);
  } else {
    BigEndian('\xce', number, 4);
  }
  ++arguments_;
}

void RedisScriptWords::Number(double number) {
  BigEndian('\xcb', std::bit_cast<std::uint64_t>(number), 8);
  ++arguments_;
}

void RedisScriptWords::Begin(std::string_view op, std::string_view key) {
  Word(op);
  Count(NumberOf(key));
}

void RedisScriptWords::AddOnce(const StoreCommand& command) {
  if (command.field.empty()) {
    Word("always");
    Count(0);
    return;
  }
  std::string key = OnceKey(command.key);
  if (const auto counted = CountedIdOf(command.field)) {
    key += '|';
    key.append(counted->beginning) += '|';
    key += std::to_string(counted->chunk);
    Begin("once", key);
    Count(counted->bit);
  } else {
    Begin("onceid", key);
    Word(command.field);
  }
  Whole(command.whole);
}

void RedisScriptWords::AddMoments(const StoreCommand& command) {
  const Moments::Sums sums = MomentsOf(command).value_or(Moments()).sums();
  Begin("moments", command.key);
  Word(std::to_string(sums.count));
  for (const double number : {sums.mean, sums.m2, sums.m3, sums.m4, sums.min, sums.max}) {
    Number(number);
  }
}

void RedisScriptWords::AddDecayed(const StoreCommand& command) {
  const StoreDecay decay = StoreDecayOf(command).value_or(StoreDecay{0, 1});
  Begin("zdecay", command.key);
  Word(command.field);
  Number(command.number);
  Number(decay.at);
  Number(decay.half_life);
  Count(NumberOf(StoreBatch::kDecayedKey));
}

void RedisScriptWords::AddNumbers(const StoreCommand& command) {
  double largest = 0;
  const auto numbers = UnpackNumbers(command.value).value_or(std::vector<double>());
  for (const double number : numbers) largest = std::max(largest, std::fabs(number));
  Begin("hnums", command.key);
  Word(command.field);
  Number(largest);
  Word(command.value);
}

void RedisScriptWords::Add(const StoreCommand& command) {
  const auto [op, key, field, value, whole, number] = command;
  switch (op) {
    case StoreOp::kGet:
      return Begin("get", key);
    case StoreOp::kSet:
      return Begin("set", key), Word(value);
    case StoreOp::kDelete:
      return Begin("del", key);
    case StoreOp::kIncrement:
      return Begin("incr", key), Whole(whole);
    case StoreOp::kExpire:
      return Begin("expire", key), Whole(whole);
    case StoreOp::kHashGet:
      return Begin("hget", key), Word(field);
    case StoreOp::kHashSet:
      return Begin("hset", key), Word(field), Word(value);
    case StoreOp::kHashDelete:
      return Begin("hdel", key), Word(field);
    case StoreOp::kHashIncrement:
      return Begin("hincr", key), Word(field), Whole(whole);
    case StoreOp::kHashAdd:
      return Begin("hadd", key), Word(field), Number(number);
    case StoreOp::kHashMin:
      return Begin("hmin", key), Word(field), Number(number);
    case StoreOp::kHashMax:
      return Begin("hmax", key), Word(field), Number(number);
    case StoreOp::kHashAddNumbers:
      return AddNumbers(command);
    case StoreOp::kHashAll:
      return Begin("hall", key);
    case StoreOp::kHashSize:
      return Begin("hsize", key);
    case StoreOp::kSortedSet:
      return Begin("zset", key), Word(field), NumberText(number);
    case StoreOp::kSortedAdd:
      return Begin(IsSureScore(number) ? "zadd" : "zaddbig", key), Word(field), NumberText(number);
    case StoreOp::kSortedAddWithin:
      return Begin("zwithin", key), Word(field), NumberText(number), Whole(whole);
    case StoreOp::kSortedAddDecayed:
      return AddDecayed(command);
    case StoreOp::kSortedDelete:
      return Begin("zrem", key), Word(field);
    case StoreOp::kSortedScore:
      return Begin("zscore", key), Word(field);
    case StoreOp::kSortedTop:
      return Begin("ztop", key), Whole(whole);
    case StoreOp::kSortedSize:
      return Begin("zsize", key);
    case StoreOp::kDistinctAdd:
      return Begin("padd", key), Word(value);
    case StoreOp::kDistinctCount:
      return Begin("pcount", key);
    case StoreOp::kMergeMoments:
      return AddMoments(command);
    case StoreOp::kOnce:
      return AddOnce(command);
    case StoreOp::kAdmit:
      return Begin("admit", key), Word(field), Whole(whole);
    case StoreOp::kRequireText:
      return Begin("reqtext", key), Word(value);
    case StoreOp::kRequireAbsent:
      return Begin("reqabsent", key);
    case StoreOp::kRequireHash:
      return Begin("reqhash", key), Word(field), Word(value);
    case StoreOp::kHashHas:
      return Begin("hhas", key), Word(field);
    case StoreOp::kHashHolds:
      return Begin("hholds", key), Word(field), Word(value);
  }
}

void RedisScriptWords::AppendTo(std::string* bytes, std::string_view mode) const {
  AppendWhole(bytes, static_cast<std::int64_t>(keys_.size()));
  for (const std::string& key : keys_) AppendRedisWord(bytes, key);
  AppendRedisWord(bytes, mode);
  std::string packed = "\xdd";
  for (int shift = 24; shift >= 0; shift -= 8) {
    packed += static_cast<char>((arguments_ >> shift) & 0xff);
  }
  AppendRedisWord(bytes, packed += bytes_);
}

}  // namespace rivulet
