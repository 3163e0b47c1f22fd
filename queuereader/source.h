// Where messages come from, and where they go back to.
//
// Three verbs, each about a message's delivery: Fetch asks for the next batch, Requeue gives a
// message back to be read again, Finish says that nothing more is to be done with it. A source
// calls back on the loop, never inside a verb. Thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rivulet {

/// A message within its batch.
struct Delivery {
  std::size_t offset = 0;  // of the body in Batch::bytes
  std::size_t size = 0;
  std::uint32_t origin = 0;  // the source's own mark: which of its queues
  bool requeued = false;     // of a source that does not keep them: it came back by Requeue()
};

/// What one Fetch brought: bodies one after the other in one buffer, none copied apart.
struct Batch {
  enum class State : std::uint8_t {
    kMessages,  // at least one
    kEmpty,     // none now; ask again later
    kEnded,     // none now; more only by Requeue
    kFailed,    // could not be asked; see status
  };
  State state = State::kEmpty;
  Status status;
  std::string bytes;
  std::vector<Delivery> messages;

  std::string_view body(const Delivery& message) const {
    return std::string_view(bytes).substr(message.offset, message.size);
  }
};

class Source {
 public:
  struct Events {
    /// The answer to Fetch().
    std::function<void(Batch)> fetched;
    /// A requeued message was taken: one pending less.
    std::function<void()> requeued;
    /// A requeued message will never be taken, and why. The message is the listener's now.
    std::function<void(std::string body, const Status& why)> refused;
  };

  virtual ~Source() = default;
  /// Before any verb, once.
  virtual void Listen(Events events) = 0;
  /// One at a time: not again before `fetched` was called.
  virtual void Fetch() = 0;
  /// `body` goes back to where `origin` says, after all that were requeued before it.
  virtual void Requeue(std::uint32_t origin, std::string body) = 0;
  virtual void Finish(const Delivery& message) = 0;

  /// False: what was requeued lives in this process alone, and is gone with it.
  virtual bool keeps_requeued() const = 0;
  /// Requeued, and neither taken nor refused yet.
  virtual std::size_t requeues_pending() const = 0;
  /// Takes back what was requeued and would be gone with this process.
  virtual std::vector<std::string> TakePending() = 0;
  /// For people: "http://127.0.0.1:8081 queue clicks".
  virtual std::string name() const = 0;
};

}  // namespace rivulet
