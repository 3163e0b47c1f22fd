// Where messages come from, and how they are settled there.
//
// Fetch asks for the next batch, Settle says what becomes of each message, Touch keeps leases
// alive. A source calls back on the loop, never inside a verb. Thread: the loop's.
//
// A source that leases gives each message with a receipt, and keeps it until it was settled; one
// that does not has forgotten a message once it gave it, and what is requeued is a new message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace rivulet {

/// A message within its batch.
struct Delivery {
  std::size_t offset = 0;  // of the body in Batch::bytes
  std::size_t size = 0;
  std::uint32_t origin = 0;  // which of the source's queues or files
  /// Of a lease: the message's number in its queue, which it keeps, and the receipt in
  /// Batch::bytes.
  std::uint64_t id = 0;
  std::size_t receipt_offset = 0;
  std::size_t receipt_size = 0;  // 0: not leased
  std::uint32_t attempts = 0;    // leases of it so far, this one counted
  std::uint64_t place = 0;       // of a file: behind this line
  bool requeued = false;         // of a source that does not keep them: it came back by a Settle()
};

/// What one Fetch brought: bodies one after the other in one buffer, none copied apart.
struct Batch {
  enum class State : std::uint8_t {
    kMessages,  // at least one
    kEmpty,     // none now; ask again later
    kEnded,     // none now; more only by requeueing
    kFailed,    // could not be asked; see status
  };
  State state = State::kEmpty;
  Status status;
  std::string bytes;
  std::vector<Delivery> messages;
  MonoTime leased_until{};  // at least; of a batch that is leased
  /// Message numbers mean the same as long as this is the same: a number that is drawn when a
  /// queue's data path is begun, or, without one, at each of its starts; 0: nothing is known, they
  /// last.
  std::uint64_t incarnation = 0;

  std::string_view body(const Delivery& message) const {
    return std::string_view(bytes).substr(message.offset, message.size);
  }
  std::string_view receipt(const Delivery& message) const {
    return std::string_view(bytes).substr(message.receipt_offset, message.receipt_size);
  }
};

/// What becomes of a message at its source.
enum class Fate : std::uint8_t {
  kFinish,   // done: gone
  kRequeue,  // to be tried again
  kBury,     // a dead letter
  kReturn,   // was not run: as it was, for whoever comes next
};

struct Settlement {
  std::uint64_t token = 0;  // the caller's own, told again when it is settled
  std::uint32_t origin = 0;
  std::string receipt;  // empty of a message that was not leased
  Fate fate = Fate::kFinish;
  Duration delay{};  // of kRequeue: due so long from now
  /// Of kRequeue: what to queue in the message's place; empty: the message as it is. Of a message
  /// that was not leased: never empty.
  std::string body;
  std::uint64_t place = 0;  // Delivery::place
  bool requeued = false;    // Delivery::requeued
};

enum class Settled : std::uint8_t {
  kDone,     // the source has taken it, for good
  kGone,     // it has no such message any more, which is as well
  kStale,    // the receipt no longer holds: the message is somebody else's, or will come again
  kAsItWas,  // there was no room for the body of a requeue: it was requeued, as it was
  kRefused,  // it will never take that (too large, say): the message is the caller's now
};

class Source {
 public:
  struct Events {
    /// The answer to Fetch().
    std::function<void(Batch)> fetched;
    /// Of each Settlement, in any order. `why`: of kRefused.
    std::function<void(std::uint64_t token, Settled how, const Status& why)> settled;
    /// These receipts no longer hold, as Touch() was told.
    std::function<void(std::uint32_t origin, const std::vector<std::string>& receipts)> lost;
    /// The origin may have forgotten what it leased until now: it was restarted, or a request to it
    /// broke without an answer.
    std::function<void(std::uint32_t origin)> doubted;
  };

  virtual ~Source() = default;
  /// Before any verb, once.
  virtual void Listen(Events events) = 0;
  /// One at a time: not again before `fetched` was called. May take long: a long poll.
  virtual void Fetch() = 0;
  /// Gives a Fetch() up where that loses nothing (`fetched` is not called any more, and true is
  /// returned); false: it must be awaited.
  virtual bool CancelFetch() = 0;
  /// Is tried until the source answers. What goes to one origin goes in the order given, but that
  /// what is finished may overtake.
  virtual void Settle(std::vector<Settlement> settlements) = 0;
  /// The leases go on for lease() from now, but those of which `lost` tells before `answer` is
  /// called with OK. With an error: nothing is known.
  virtual void Touch(std::uint32_t origin, std::vector<std::string> receipts,
                     std::function<void(const Status& status)> answer) = 0;
  /// Nothing at the source is ready, deferred or in flight. Asks; `answer` is called once. True
  /// too of a source that has no such figures; false of one that cannot be asked. For
  /// --exit-when-empty.
  virtual void AskDrained(std::function<void(bool drained)> answer) = 0;

  virtual bool leases() const = 0;
  /// How long a lease lasts; Touch() is due well before.
  virtual Duration lease() const = 0;
  /// False: what was requeued lives in this process alone, and is gone with it (files).
  virtual bool keeps_requeued() const = 0;
  /// True: what was read since a Save() comes again after a Load() of it (files on disk).
  virtual bool reads_again() const { return false; }
  /// OK, or why settlements are not taken since some tries.
  virtual Status settling_status() const { return {}; }
  /// Given to Settle(), and not settled yet.
  virtual std::size_t unsettled() const = 0;
  /// Gives up on what is unsettled; nothing more is called. Returns the bodies that would be lost:
  /// of what was requeued without a lease. For the end.
  virtual std::vector<std::string> Abandon() = 0;

  /// Names an origin in checkpoints, over restarts: "http://127.0.0.1:8081 queue clicks".
  virtual std::string origin_name(std::uint32_t origin) const = 0;
  virtual std::size_t origins() const = 0;
  /// Where reading goes on, with what is to be tried again, as bytes: everything that was settled
  /// so far lies before it. Empty: the source keeps that itself.
  virtual std::string Save() const = 0;
  /// Before Fetch(). An error refuses the start.
  virtual Status Load(std::string_view saved) = 0;
  /// How much of it was read, 0 to 1; nothing where that is unknown or has no end.
  virtual double fraction() const { return -1; }
  /// For people: "http://127.0.0.1:8081 queue clicks".
  virtual std::string name() const = 0;
};

}  // namespace rivulet
