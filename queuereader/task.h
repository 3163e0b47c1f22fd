// A task: what a reader runs on every message. This header is all that a task needs, also one in a
// shared object: everything here is inline or virtual, so that a plugin asks for no symbol of the
// program that loads it.
//
// A task can be a function:
//
//   rivulet::Outcome Print(const rivulet::Message& message) {
//     std::puts(std::string(message.text()).c_str());
//     return rivulet::Outcome::Done();
//   }
//   RIVULET_TASK_FUNCTION(Print)   // in a shared object; a program calls ReaderProgram::Add
//   instead
//
// or a class, with arguments, state that survives (Save and Load), and something to show:
//
//   class Longest : public rivulet::Task {
//    public:
//     rivulet::Outcome Run(const rivulet::Message& message, rivulet::Context& context) override {
//       if (message.text().size() > longest_) context.Emit("records", message.text());
//       longest_ = std::max(longest_, message.text().size());
//       return rivulet::Outcome::Done();
//     }
//     void Summarize(rivulet::Summary& summary) const override { summary.Count("bytes", longest_);
//     }
//
//    private:
//     std::size_t longest_ = 0;
//   };
//   RIVULET_TASK(Longest)
//
// Thread: everything of a task runs on one thread, never two things at a time; that is not the
// thread of the program's event loop, so that a task may take its time. A Run() that throws is a
// failed Run(); a constructor that throws refuses the start.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "queuereader/task_args.h"
#include "store/store.h"

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
  /// When its first try began.
  virtual WallTime started() const = 0;
  /// The same for every delivery of this message, and for no other of its queue: for whoever must
  /// know whether it was counted already. Empty where messages have none (files, popped queues).
  virtual std::string_view id() const = 0;

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
    kReplace,               // of --preprocess alone: the tasks get other data for this try
  };

  static Outcome Done() { return Outcome(Kind::kDone, {}); }
  static Outcome Failed(std::string why) { return Outcome(Kind::kFailed, std::move(why)); }
  static Outcome FailedWithoutBackoff(std::string why) {
    return Outcome(Kind::kFailedWithoutBackoff, std::move(why));
  }
  static Outcome Drop() { return Outcome(Kind::kDrop, {}); }
  /// `data` is what the tasks are to see, as JSON. The message itself stays as it is: a retry
  /// begins with it again. From any other task than --preprocess it counts as Done().
  static Outcome Replace(std::string data) { return Outcome(Kind::kReplace, std::move(data)); }

  Kind kind() const { return kind_; }
  bool failed() const { return kind_ == Kind::kFailed || kind_ == Kind::kFailedWithoutBackoff; }
  /// Why it failed, for the log.
  const std::string& why() const { return text_; }
  /// Of kReplace.
  const std::string& data() const { return text_; }

 private:
  Outcome(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}

  Kind kind_;
  std::string text_;
};

/// What a task may reach while it runs. Lives as long as the task.
class Context {
 public:
  /// Sends `message` to the output of that name (--output=NAME=URL) once the message in hand is
  /// done with by this task; what a failed try has emitted is not sent. At least once, in order,
  /// and kept while the output is away. Throws std::invalid_argument when there is no such output;
  /// TaskArgs::Output() tells that at the start.
  virtual void Emit(std::string_view output, std::string_view message) = 0;
  /// Adds to a counter of the task's own in /stats and /metrics, whatever becomes of the message. A
  /// name of 1 to 64 letters, digits and '_'; throws std::invalid_argument for another one, and for
  /// the 101st. O(counters of the task).
  virtual void Count(std::string_view counter, std::uint64_t by = 1) = 0;
  /// Shared by the tasks, and with --store by readers. Throws std::logic_error where there is none.
  virtual Store& store() = 0;
  /// When this Run() began, by the wall clock.
  virtual WallTime now() const = 0;
  /// A line in the reader's log, with the task's name.
  virtual void Log(std::string_view line) = 0;
  /// As Emit(), of RunBatch(): goes with the message at that place of the batch, from 0, when that
  /// one did not fail, whatever becomes of the others. Throws std::invalid_argument for a place
  /// beyond the batch.
  virtual void EmitFor(std::size_t place, std::string_view output, std::string_view message) {
    static_cast<void>(place);
    Emit(output, message);
  }

 protected:
  ~Context() = default;
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

/// A page that a task offers of its own: /tasks/NAME?view=…
struct View {
  std::string content_type;  // "image/svg+xml", "text/html", "application/json"
  std::string body;
};

/// Of one message of a batch: what is emitted goes with that one.
class PlacedContext final : public Context {
 public:
  PlacedContext(Context& of, std::size_t place) : of_(of), place_(place) {}
  void Emit(std::string_view output, std::string_view message) override {
    of_.EmitFor(place_, output, message);
  }
  void EmitFor(std::size_t place, std::string_view output, std::string_view message) override {
    of_.EmitFor(place == 0 ? place_ : static_cast<std::size_t>(-1), output, message);
  }
  void Count(std::string_view counter, std::uint64_t by) override { of_.Count(counter, by); }
  Store& store() override { return of_.store(); }
  WallTime now() const override { return of_.now(); }
  void Log(std::string_view line) override { of_.Log(line); }

 private:
  Context& of_;
  std::size_t place_;
};

class Task {
 public:
  virtual ~Task() = default;
  virtual Outcome Run(const Message& message, Context& context) = 0;

  /// How many messages RunBatch() takes at once: 1, or more where that is cheaper (one transaction
  /// for all). While the task fails it gets them one by one.
  virtual std::size_t batch_size() const { return 1; }
  /// As Run() on each, at most batch_size() of them: an outcome each, all of them "done" before.
  /// When it throws it must have left the task as it was: each of them is run again at once, by
  /// Run(), and fails or not for itself. What the batch did outside of the task before it threw, as
  /// in a database, and its Count()s, then happen twice. A message that was tried before is never
  /// in a batch. What Emit() is given goes when none of them failed; where
  /// some may, see EmitFor().
  virtual void RunBatch(std::span<const Message* const> messages, std::span<Outcome> outcomes,
                        Context& context) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      PlacedContext placed(context, i);
      try {
        outcomes[i] = Run(*messages[i], placed);
      } catch (const std::exception& error) {
        outcomes[i] = Outcome::Failed(std::string("threw: ") + error.what());
      } catch (...) {
        outcomes[i] = Outcome::Failed("threw something that is no std::exception");
      }
    }
  }

  /// A hint, for a task that hands messages on to somebody: the next RunBatch() begins with these,
  /// in order, and with those of the calls since the last one before them. To begin with them now
  /// saves time; the answer is still RunBatch()'s. They live until then. What it throws is ignored.
  virtual void Ahead(std::span<const Message* const> messages) { static_cast<void>(messages); }

  /// Called between two Run()s about every second, whether messages come or not, and first before
  /// the first of them: for what is due by the clock, in a store or outside. Must leave what Save()
  /// gives as it is, and emits nothing. What it throws is ignored. Not called of tasks in processes
  /// of their own.
  virtual void Tick() {}

  /// What the task knows, as bytes, for a checkpoint (--checkpoint-dir); empty: nothing. Called
  /// between two Run()s. When it throws there is no checkpoint now, and it is tried again later.
  virtual std::string Save() const { return {}; }
  /// Goes on from there. Once, before the first Run(), and only when Save() had given something.
  /// An error (of an older format, say) refuses the start.
  virtual Status Load(std::string_view saved) {
    return saved.empty() ? Status() : InvalidArgument("the task has no Load()");
  }

  /// Called at the end, and now and then for progress; must leave the task as it is.
  virtual void Summarize(Summary& summary) const { static_cast<void>(summary); }
  /// The names of the views that Show() knows: "svg", "html". JSON and text come from Summarize().
  virtual std::vector<std::string> views() const { return {}; }
  virtual std::optional<View> Show(std::string_view view) const {
    static_cast<void>(view);
    return std::nullopt;
  }
};

using TaskFunction = std::function<Outcome(const Message& message, Context& context)>;

/// A task that is a function.
class FunctionTask final : public Task {
 public:
  explicit FunctionTask(TaskFunction run) : run_(std::move(run)) {}
  Outcome Run(const Message& message, Context& context) override { return run_(message, context); }

 private:
  TaskFunction run_;
};

/// Takes Outcome(const Message&, Context&) and Outcome(const Message&).
template <typename Function>
TaskFunction MakeTaskFunction(Function run) {
  if constexpr (std::is_invocable_r_v<Outcome, Function, const Message&, Context&>) {
    return run;
  } else {
    return [run = std::move(run)](const Message& message, Context&) { return run(message); };
  }
}

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

/// Grows with every change of this header, or of one that it includes, that a compiled task could
/// notice.
inline constexpr std::uint32_t kTaskAbiVersion = 4;

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

/// The same for a function.
#define RIVULET_TASK_FUNCTION(function)                                                     \
  extern "C" __attribute__((visibility("default"))) const rivulet::TaskPlugin rivulet_task; \
  const rivulet::TaskPlugin rivulet_task = {                                                \
      rivulet::kTaskAbiVersion,                                                             \
      [](rivulet::TaskArgs&) -> rivulet::Result<std::unique_ptr<rivulet::Task>> {           \
        return std::unique_ptr<rivulet::Task>(                                              \
            std::make_unique<rivulet::FunctionTask>(rivulet::MakeTaskFunction(function)));  \
      }};
