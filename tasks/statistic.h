// What a statistic is to the tasks that compute one: a form, which knows the arguments, and states
// of it, one or one a key. tasks/statistic_task.h does the rest: keys, checkpoints, the shared
// store, results that are emitted, summaries and pictures. A new statistic is one small file.
//
// Thread: as queuereader/task.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "queuereader/task.h"
#include "tasks/svg.h"

namespace rivulet {

/// Numbers beyond are no use to a sum of fourth powers, which would be infinite for good.
inline constexpr double kGreatestSummed = 1e70;
/// Of a key of by=, and of a value whose text is kept.
inline constexpr std::size_t kMaxKeyBytes = 1024;
inline constexpr std::size_t kMaxValueBytes = 4096;

/// What a message gives to a state. A form sets what its states read.
struct Observation {
  double x = 0;
  double y = 0;
  std::string_view text{};  // lives as long as the message, and until the form's next Read()
  double seconds = 0;       // since 1970: when the message came, before the form's Read()
};

class Statistic {
 public:
  virtual ~Statistic() = default;
  virtual void Update(const Observation& observation) = 0;
  /// Updates so far.
  virtual std::uint64_t count() const = 0;
  virtual std::string Save() const = 0;
  /// False when `saved` is not what Save() gave; the state is not used then.
  virtual bool Load(std::string_view saved) = 0;
  /// All that is known, but for the count.
  virtual void Summarize(Summary& summary) const = 0;
  /// Of a table with a column for the key and then the form's columns().
  virtual void Rows(std::string_view key, Summary& summary) const = 0;
  /// What the last Update() has found out that shall be told at once: JSON members, or empty.
  virtual std::string Event() const { return {}; }
};

using StatisticPtr = std::shared_ptr<Statistic>;

struct KeyedStatistic {
  std::string key;
  StatisticPtr statistic;
};

/// For pictures: an empty one is seen, too.
inline std::string ShownKey(const std::string& key) { return key.empty() ? "\"\"" : key; }

/// Outlives its states.
class StatisticForm {
 public:
  virtual ~StatisticForm() = default;
  /// "moments 1": the task, and the format of a state.
  virtual std::string_view format() const = 0;
  /// What a state depends on: "field=t,minus=hc".
  virtual std::string arguments() const = 0;
  /// What pictures are headed by.
  virtual std::string title() const = 0;
  /// False where the message does not have what is needed.
  virtual bool Read(const Message& message, Observation* observation) = 0;
  /// `keyed`: one of many, which take less memory each.
  virtual StatisticPtr Make(bool keyed) const = 0;
  virtual std::vector<std::string> columns() const = 0;
  /// Whether a saved state without keys begins with its count (as those of `top` always did).
  virtual bool saves_count() const { return false; }
  /// Whether states have an Event() to tell.
  virtual bool has_events() const { return false; }

  /// Whether there are pictures.
  virtual bool has_pictures() const { return true; }
  /// One state, into a box of a picture; not called where both of the following have their own.
  virtual void Plot(SvgPicture& /*picture*/, const SvgBox& /*box*/,
                    const Statistic& /*statistic*/) const {}
  /// A picture of the one state where there are no keys; nothing: Plot() in the whole of it.
  virtual std::optional<std::string> PictureOf(const Statistic& /*statistic*/) const {
    return std::nullopt;
  }
  /// Of the states of some keys; nothing: small multiples of Plot().
  virtual std::optional<std::string> PictureOfKeys(
      const std::string& /*title*/, const std::vector<KeyedStatistic>& /*states*/) const {
    return std::nullopt;
  }

  // In the shared store.

  /// Why it cannot be shared; empty where it can.
  virtual std::string not_shared() const { return {}; }
  /// Appends the commands of one Update() of the state at `key`.
  virtual void Share(StoreBatch* /*batch*/, const std::string& /*key*/,
                     const Observation& /*observation*/) const {}
  /// Appends the commands that read the state at `key`.
  virtual void Ask(StoreBatch* /*batch*/, const std::string& /*key*/) const {}
  /// The state of `count` updates that the answers to these tell of: for Summarize(), Rows() and
  /// pictures. Null where they tell of none.
  virtual StatisticPtr Answer(std::span<const StoreReply> /*replies*/,
                              std::uint64_t /*count*/) const {
    return nullptr;
  }
};

/// The number at `field`, or its difference to the one at `minus`; nothing where one is absent, no
/// number, or the result is not finite.
std::optional<double> NumberOf(const Message& message, std::string_view field,
                               std::string_view minus = {});
/// Seconds since 1970, from 0 to 1e11.
std::optional<double> SecondsOf(const Message& message, std::string_view field);
/// So far may a message's time be ahead of the clock. One that is believed ages all that came
/// before it: a single wrong one would make them vanish.
inline constexpr double kMostSecondsAhead = 60;
/// A string's text, or a number as JSON writes it, for which `buffer` is used; nothing where there
/// is neither.
std::optional<std::string_view> TextOf(const Message& message, std::string_view field,
                                       std::string* buffer);

/// A duration argument, as "90s", of at least a millisecond and at most a year; nothing is given:
/// `fallback`.
Duration TakeDuration(TaskArgs& args, std::string_view key, Duration fallback);

/// A state that a store has told of, which is read alone.
class ToldStatistic : public Statistic {
 public:
  explicit ToldStatistic(std::uint64_t count) : count_(count) {}
  void Update(const Observation& /*observation*/) final {}
  std::uint64_t count() const final { return count_; }
  std::string Save() const final { return {}; }
  bool Load(std::string_view /*saved*/) final { return false; }

 private:
  std::uint64_t count_;
};

/// The number that a store's text is; 0 where it is none.
double StoredNumber(std::string_view text);
/// A count of a store's hash; 0 where it is none.
std::uint64_t StoredCount(std::string_view text);

}  // namespace rivulet
