// The conformance suite: it runs, and random batches do to a store what they do to a plain model.
#include <array>
#include <charconv>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "store/packed_numbers.h"
#include "tests/unit/store/conformance.h"
#include "tests/unit/store/conformance_support.h"

namespace rivulet {

using namespace conformance;

namespace {

/// What a store is, said with std::map and without a thought of speed. Answers are one word each:
/// "w5", "n0.5", "ttext", "N" (nothing), "s" (skipped), "d" (done), "i..." (items), "F" (failed).
class ModelStore {
 public:
  explicit ModelStore(Mode mode) : mode_(mode) {}
  void set_mode(Mode mode) { mode_ = mode; }

  /// "F" alone where an atomic batch is refused.
  std::vector<std::string> Run(const StoreBatch& batch) {
    const auto keys = keys_;
    const auto seen = seen_;
    std::vector<std::string> answers;
    bool skipping = false;
    StoreBatch::Reader reader(batch);
    for (StoreCommand command; reader.Next(&command);) {
      if (command.op == StoreOp::kOnce) skipping = false;
      answers.push_back(skipping ? "s" : Do(command));
      const bool gate = command.op == StoreOp::kOnce || command.op == StoreOp::kAdmit ||
                        command.op == StoreOp::kHashHas || command.op == StoreOp::kHashHolds;
      if (gate && answers.back() == "w0") skipping = true;
      if (mode_ == Mode::kAtomic && answers.back() == "F") {
        keys_ = keys;
        seen_ = seen;
        return {"F"};
      }
    }
    return answers;
  }

 private:
  struct Value {
    char kind = 't';
    std::string text;
    std::map<std::string, std::string> fields;
    std::map<std::string, double> scores;
  };

  static std::string AddNumbers(std::string& sums, std::string_view packed) {
    auto numbers = UnpackNumbers(sums);
    if (!numbers) return "F";
    const auto more = UnpackNumbers(packed).value();
    if (numbers->size() < more.size()) numbers->resize(more.size());
    for (std::size_t i = 0; i < more.size(); ++i) (*numbers)[i] += more[i];
    sums = PackNumbers(*numbers);
    return "d";
  }
  static std::string Whole(std::int64_t number) { return "w" + std::to_string(number); }
  static std::string Number(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "n%.9g", number);
    return text;
  }
  static std::optional<std::int64_t> Sum(const std::string& text, std::int64_t by) {
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, number).ptr != end || text.empty()) return std::nullopt;
    std::int64_t sum = 0;
    if (__builtin_add_overflow(number, by, &sum)) return std::nullopt;
    return sum;
  }
  static std::optional<double> Read(const std::string& text) {
    double number = 0;
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, number).ptr != end || text.empty()) return std::nullopt;
    return number;
  }

  std::string Do(const StoreCommand& c) {
    const std::string key(c.key);
    const auto found = keys_.find(key);
    const bool there = found != keys_.end();
    const char needs = c.op < StoreOp::kHashGet     ? 't'
                       : c.op < StoreOp::kSortedSet ? 'h'
                       : c.op < StoreOp::kOnce      ? 's'
                       : c.op == StoreOp::kAdmit    ? 's'
                                                    : 'h';
    switch (c.op) {
      case StoreOp::kSet:
        keys_[key] = {'t', std::string(c.value), {}, {}};
        return "d";
      case StoreOp::kDelete:
        return Whole(static_cast<std::int64_t>(keys_.erase(key)));
      case StoreOp::kOnce:
        return Whole(c.field.empty() || seen_.emplace(key, c.field).second ? 1 : 0);
      default:
        break;
    }
    if (there && found->second.kind != needs) return "F";
    if (!there) keys_[key].kind = needs;
    Value& value = keys_[key];
    const std::string answer = needs == 't'   ? DoText(c, value, there)
                               : needs == 'h' ? DoHash(c, value.fields)
                                              : DoSorted(c, value.scores);
    const bool empty = needs == 't' ? !there && (c.op == StoreOp::kGet || answer == "F")
                                    : value.fields.empty() && value.scores.empty();
    if (empty) keys_.erase(key);
    return answer;
  }

  static std::string DoText(const StoreCommand& c, Value& value, bool there) {
    if (c.op == StoreOp::kGet) return there ? "t" + value.text : "N";
    const auto sum = Sum(there ? value.text : "0", c.whole);
    if (!sum) return "F";
    value.text = std::to_string(*sum);
    return Whole(*sum);
  }

  static std::string DoHash(const StoreCommand& c, std::map<std::string, std::string>& fields) {
    const std::string field(c.field);
    const bool held = fields.count(field) > 0;
    switch (c.op) {
      case StoreOp::kHashGet:
        return held ? "t" + fields[field] : "N";
      case StoreOp::kHashSet:
        fields[field] = c.value;
        return "d";
      case StoreOp::kHashDelete:
        fields.erase(field);
        return "d";
      case StoreOp::kHashSize:
        return Whole(static_cast<std::int64_t>(fields.size()));
      case StoreOp::kHashHas:
        return held ? "w1" : "w0";
      case StoreOp::kHashHolds:
        return held && fields[field] == c.value ? "w1" : "w0";
      case StoreOp::kHashIncrement: {
        const auto sum = Sum(held ? fields[field] : "0", c.whole);
        if (!sum) return "F";
        fields[field] = std::to_string(*sum);
        return Whole(*sum);
      }
      case StoreOp::kHashAddNumbers:
        return AddNumbers(fields[field], c.value);
      case StoreOp::kHashAll: {
        std::string all = "i";
        for (const auto& [name, text] : fields) all += name + "=" + text + ";";
        return all;
      }
      default: {
        const auto old = held ? Read(fields[field]) : std::nullopt;
        if (held && !old) return "F";
        double number = c.number;
        if (c.op == StoreOp::kHashAdd) number += old.value_or(0);
        if (c.op == StoreOp::kHashMin && old) number = std::min(number, *old);
        if (c.op == StoreOp::kHashMax && old) number = std::max(number, *old);
        fields[field] = Number(number).substr(1);
        return Number(number);
      }
    }
  }

  static std::string DoSorted(const StoreCommand& c, std::map<std::string, double>& scores) {
    const std::string member(c.field);
    const bool held = scores.count(member) > 0;
    std::vector<std::pair<double, std::string>> order;
    for (const auto& [name, score] : scores) order.emplace_back(score, name);
    std::sort(order.rbegin(), order.rend());
    switch (c.op) {
      case StoreOp::kSortedSet:
        scores[member] = c.number;
        return "d";
      case StoreOp::kSortedDelete:
        scores.erase(member);
        return "d";
      case StoreOp::kSortedScore:
        return held ? Number(scores[member]) : "N";
      case StoreOp::kSortedSize:
        return Whole(static_cast<std::int64_t>(scores.size()));
      case StoreOp::kSortedTop: {
        std::string top = "i";
        for (std::size_t i = 0; i < order.size(); ++i) {
          if (c.whole >= 0 && static_cast<std::int64_t>(i) >= c.whole) break;
          top += order[i].second + "=" + Number(order[i].first) + ";";
        }
        return top;
      }
      case StoreOp::kAdmit:
        if (!held && static_cast<std::int64_t>(scores.size()) >= c.whole) return "w0";
        scores[member] += 1;
        return "w1";
      case StoreOp::kSortedAddWithin:
        if (!held && static_cast<std::int64_t>(scores.size()) >= c.whole) {
          scores[member] = order.back().first;
          scores.erase(order.back().second);
        }
        return Number(scores[member] += c.number);
      default:
        return Number(scores[member] += c.number);
    }
  }

  Mode mode_;
  std::map<std::string, Value> keys_;
  std::set<std::pair<std::string, std::string>> seen_;
};

std::string WordOf(const StoreReply& reply) {
  char number[32];
  std::snprintf(number, sizeof number, "n%.9g", reply.number);
  switch (reply.kind) {
    case Kind::kWhole:
      return "w" + std::to_string(reply.whole);
    case Kind::kNumber:
      return number;
    case Kind::kText:
      return "t" + reply.text;
    case Kind::kItems:
      return "i";
    default:
      return std::string(1, "dNs...iF"[static_cast<int>(reply.kind)]);
  }
}

std::string WordOf(const StoreCommand& command, const StoreReply& reply) {
  if (reply.kind != Kind::kItems) return WordOf(reply);
  std::vector<std::string> items;
  const bool hash = command.op == StoreOp::kHashAll;
  for (const StoreItem& item : reply.items) {
    char number[32];
    std::snprintf(number, sizeof number, "n%.9g", item.number);
    items.push_back(item.name + "=" + (hash ? item.text : number) + ";");
  }
  if (hash) std::sort(items.begin(), items.end());
  std::string word = "i";
  for (const std::string& item : items) word += item;
  return word;
}

/// Commands at random, on few keys and fields.
class RandomCommands {
 public:
  RandomCommands(unsigned seed, bool any_kind) : random_(seed), any_kind_(any_kind) {}

  unsigned Below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  StoreBatch MakeBatch() {
    StoreBatch batch(Below(2) ? Mode::kAtomic : Mode::kPipelined);
    if (batch.mode() == Mode::kAtomic && !any_kind_ && Below(8) == 0) batch.Get("h0");
    for (unsigned left = Below(20); left > 0; --left) Add(batch);
    return batch;
  }

 private:
  std::string Key(char kind) {
    // Another kind of key, sometimes.
    if (any_kind_ && Below(12) == 0) kind = "ths"[Below(3)];
    return kind + std::to_string(Below(3));
  }
  std::string Name() { return std::string(1, static_cast<char>('a' + Below(6))); }
  double Number() { return (static_cast<int>(Below(41)) - 20) / 4.0; }
  std::string Text() {
    constexpr std::array<const char*, 4> kTexts = {"7", "-12", "word", "9223372036854775807"};
    return kTexts[Below(4)];
  }
  // Fields are added to as numbers, too, where a large one is not the same text in every store.
  std::string FieldText() {
    return Below(3) ? std::to_string(Below(2) ? 7 : Below(90)) : std::string("word");
  }

  void Add(StoreBatch& b) {
    const bool atomic = b.mode() == Mode::kAtomic;
    const auto whole = static_cast<std::int64_t>(Below(9)) - 3;
    switch (Below(atomic ? 26 : 21)) {
      case 0:
        return b.Get(Key('t'));
      case 1:
        return b.Set(Key('t'), Text());
      case 2:
        return b.Delete(Key("ths"[Below(3)]));
      case 3:
        return b.Increment(Key('t'), whole);
      case 4:
        return b.HashGet(Key('h'), Name());
      case 5:
        return b.HashSet(Key('h'), Name(), FieldText());
      case 6:
        return b.HashDelete(Key('h'), Name());
      case 7:
        return b.HashIncrement(Key('h'), Name(), whole);
      case 8:
        return b.HashAdd(Key('h'), Name(), static_cast<double>(whole));
      case 9:
        return b.HashMin(Key('h'), Name(), static_cast<double>(whole));
      case 10:
        return b.HashMax(Key('h'), Name(), static_cast<double>(whole));
      case 11:
        return b.HashAll(Key('h'));
      case 12:
        return b.HashSize(Key('h'));
      case 13:
        return b.SortedSet(Key('s'), Name(), Number());
      case 14:
        return b.SortedAdd(Key('s'), Name(), Number());
      case 15:
        return b.SortedAddWithin("within", Name(), Number(), 4);
      case 16:
        return b.SortedDelete(Key('s'), Name());
      case 17:
        return b.SortedScore(Key('s'), Name());
      case 18:
        return b.SortedTop(Below(2) ? "within" : Key('s'), whole);
      case 19:
        return b.SortedSize(Key('s'));
      case 20:
        return b.HashAddNumbers(Key('h'), Name(), std::vector<double>(1 + Below(3), Number()));
      case 21:
      case 22:
        return b.Once("scope", Name() + std::to_string(Below(40)));
      case 23:
        return b.HashHas(Key('h'), Name());
      case 24:
        return b.HashHolds(Key('h'), Name(), Below(4) ? "7" : FieldText());
      default:
        return b.Admit(Key('s'), Name(), 4);
    }
  }

  std::mt19937 random_;
  bool any_kind_;
};

}  // namespace

void TestStoreRandomly(Store& store, const ConformanceOptions& options) {
  ModelStore model(Mode::kPipelined);
  RandomCommands random(11, options.kinds_in_order);
  for (int round = 0; round < options.random_batches; ++round) {
    const StoreBatch batch = random.MakeBatch();
    model.set_mode(batch.mode());
    const auto expected = model.Run(batch);
    const auto replies = store.Run(batch);
    std::vector<std::string> got;
    if (replies.ok()) {
      StoreBatch::Reader reader(batch);
      StoreCommand command;
      for (std::size_t i = 0; reader.Next(&command); ++i)
        got.push_back(WordOf(command, (*replies)[i]));
    } else {
      got = {"F"};
    }
    if (expected == got) continue;
    CAPTURE(round);
    CAPTURE(replies.status().message());
    REQUIRE(expected.size() == got.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      REQUIRE(got[i] == expected[i]);
    }
  }
}

void TestStoreConformance(const std::function<std::unique_ptr<Store>()>& make_empty,
                          const ConformanceOptions& options) {
  const auto store = make_empty();
  REQUIRE(store != nullptr);
  SUBCASE("texts are set, read and deleted") { TestStoreTexts(*store); }
  SUBCASE("counters are whole numbers of 64 bits") { TestStoreCounters(*store); }
  SUBCASE("hashes hold texts and numbers in fields") { TestStoreHashes(*store); }
  SUBCASE("sorted sets are ordered by score, then by member") { TestStoreSortedSets(*store); }
  SUBCASE("a sorted set of a capacity keeps the bound of Space-Saving") {
    TestStoreSpaceSaving(*store);
  }
  SUBCASE("decayed scores halve every half-life") { TestStoreDecay(*store); }
  SUBCASE("distinct elements are estimated, moments are merged") { TestStoreSummaries(*store); }
  SUBCASE("another kind of value at a key is an error that names the key") {
    TestStoreKinds(*store);
  }
  SUBCASE("keys, fields, members and values are bytes") { TestStoreBytes(*store); }
  SUBCASE("keys are found by what they begin with") { TestStoreKeys(*store); }
  SUBCASE("a pipelined batch's commands fail each for itself") { TestStorePipelines(*store); }
  SUBCASE("an atomic batch is refused whole") { TestStoreRefusals(*store, options); }
  SUBCASE("what is required holds, or nothing is done") { TestStoreRequirements(*store); }
  SUBCASE("an id comes once") { TestStoreOnce(*store); }
  SUBCASE("at most so many members are admitted") { TestStoreAdmit(*store, options); }
  SUBCASE("the rest of a group depends on a field of a hash") {
    TestStoreHashGates(*store, options);
  }
  SUBCASE("keys expire") { TestStoreExpiry(*store, options); }
  SUBCASE("random batches do what they do to a plain model") { TestStoreRandomly(*store, options); }
}

}  // namespace rivulet
