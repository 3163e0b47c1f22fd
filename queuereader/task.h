// A task: what a reader runs on every message. This header is all that a task needs, also one in a
// shared object: everything here is inline or virtual, so that a plugin asks for no symbol of the
// program that loads it.
//
//   class Longest : public rivulet::Task {
//    public:
//     rivulet::Outcome Run(const rivulet::Message& message) override {
//       longest_ = std::max(longest_, message.text().size());
//       return rivulet::Outcome::Done();
//     }
//     void Summarize(rivulet::Summary& summary) const override { summary.Count("bytes", longest_);
//     }
//
//    private:
//     std::size_t longest_ = 0;
//   };
//   RIVULET_TASK(Longest)   // in a shared object; a program calls TaskRegistry::Add instead
//
// Thread: a task is made, run, summarized and destroyed on one thread. A Run() that throws is a
// failed Run(); nothing else may throw.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/status.h"
#include "queuereader/task_args.h"

namespace rivulet {

/// One message as a task sees it: its data, without the envelope. Valid JSON, of any type. Lives
/// for the Run() that it is passed to; so do the views it returns.
class Message {
 public:
  /// The data as JSON: the sender's bytes.
  virtual std::string_view text() const = 0;
  /// The number at a dotted path ("geo.lat"); nothing where it is absent or no number. O(members).
  virtual std::optional<double> Number(std::string_view path) const = 0;
  /// The text of the string at a dotted path; nothing where it is absent or no string.
  virtual std::optional<std::string_view> Text(std::string_view path) const = 0;
  /// True when there is any value at the path, null too.
  virtual bool Has(std::string_view path) const = 0;
  /// Which try of this message this is, from 1.
  virtual int tries() const = 0;

 protected:
  ~Message() = default;
};

/// A task's answer about one message.
class Outcome {
 public:
  enum class Kind : std::uint8_t {
    kDone,                  // the task has nothing more to do with this message
    kFailed,                // run this task again later, and slow down
    kFailedWithoutBackoff,  // run this task again later, at full speed
    kDrop,                  // nothing more is done with this message, by any task
  };

  static Outcome Done() { return Outcome(Kind::kDone, {}); }
  static Outcome Failed(std::string why) { return Outcome(Kind::kFailed, std::move(why)); }
  static Outcome FailedWithoutBackoff(std::string why) {
    return Outcome(Kind::kFailedWithoutBackoff, std::move(why));
  }
  static Outcome Drop() { return Outcome(Kind::kDrop, {}); }

  Kind kind() const { return kind_; }
  /// Why it failed, for the log.
  const std::string& why() const { return why_; }

 private:
  Outcome(Kind kind, std::string why) : kind_(kind), why_(std::move(why)) {}

  Kind kind_;
  std::string why_;
};

/// Where a task writes what it has found, in the order that people shall read it.
class Summary {
 public:
  /// A cell of a table.
  struct Cell {
    enum class Kind : std::uint8_t { kText, kCount, kNumber };
    Cell(std::string_view value) : kind(Kind::kText), text(value) {}   // NOLINT(*-explicit-*)
    Cell(const char* value) : Cell(std::string_view(value)) {}         // NOLINT(*-explicit-*)
    Cell(const std::string& value) : Cell(std::string_view(value)) {}  // NOLINT(*-explicit-*)
    Cell(std::uint64_t value) : kind(Kind::kCount), count(value) {}    // NOLINT(*-explicit-*)
    Cell(double value) : kind(Kind::kNumber), number(value) {}         // NOLINT(*-explicit-*)
    Kind kind;
    std::string text;
    std::uint64_t count = 0;
    double number = 0;
  };

  virtual void Count(std::string_view name, std::uint64_t value) = 0;
  /// nan and infinities are shown as absent.
  virtual void Number(std::string_view name, double value) = 0;
  virtual void Text(std::string_view name, std::string_view value) = 0;
  /// Starts a table; Row() adds to the last one started, with as many cells as there are columns.
  virtual void Table(std::string_view name, std::vector<std::string> columns) = 0;
  virtual void Row(std::vector<Cell> cells) = 0;

 protected:
  ~Summary() = default;
};

class Task {
 public:
  virtual ~Task() = default;
  virtual Outcome Run(const Message& message) = 0;
  /// Called at the end, and now and then for progress; must leave the task as it is.
  virtual void Summarize(Summary& summary) const { static_cast<void>(summary); }
};

/// Makes a Type from its arguments: by Type(TaskArgs&) where there is one, else by Type(). A
/// constructor refuses wrong arguments by args.Fail(), or by throwing.
template <typename Type>
Result<std::unique_ptr<Task>> MakeTask(TaskArgs& args) {
  try {
    if constexpr (std::is_constructible_v<Type, TaskArgs&>) {
      return std::unique_ptr<Task>(std::make_unique<Type>(args));
    } else {
      return std::unique_ptr<Task>(std::make_unique<Type>());
    }
  } catch (const std::exception& error) {
    return InvalidArgument(error.what());
  } catch (...) {
    return InvalidArgument("its constructor threw");
  }
}

/// Grows with every change of this header or task_args.h that a compiled task could notice.
inline constexpr std::uint32_t kTaskAbiVersion = 1;

/// What a shared object exports, under the one name `rivulet_task`.
struct TaskPlugin {
  std::uint32_t abi_version;  // stays first in every version
  Result<std::unique_ptr<Task>> (*make)(TaskArgs& args);
};

}  // namespace rivulet

/// Once in a shared object: exports the task to whoever loads it.
#define RIVULET_TASK(Type)                                                                  \
  extern "C" __attribute__((visibility("default"))) const rivulet::TaskPlugin rivulet_task; \
  const rivulet::TaskPlugin rivulet_task = {rivulet::kTaskAbiVersion, &rivulet::MakeTask<Type>};
