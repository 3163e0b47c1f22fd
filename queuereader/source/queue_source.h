// Messages from simplequeues: leased (queue_lease_source.cc) or popped (queue_pop_source.cc).
//
// Of several queues one is read until it is empty or fails, then the next: a pool of hosts, each
// for the others as fail-over. A queue that failed is left alone for `failed_pause`, then tried
// again, while another answers.
//
// Leased: /mget?lease= with a long poll where no other queue has anything; /finish in batches,
// /requeue with the server's delay, /bury, /touch. A queue that restarts has forgotten its leases:
// receipts go stale, messages come again. Every settlement is tried until its own queue answers;
// requeues may overtake each other. A lease is taken to have begun when it was asked for, and a
// long poll takes at most a quarter of it. Fetch() is answered that there is nothing after
// `long_poll`, or sooner by a queue that does not wait.
//
// Popped (lease of zero; the original simplequeue): /mget, or /get for mget_items of 0. What is
// fetched has left its queue. Requeued and returned messages are put back by POST /put, with
// `delay=` for queues that know it, one after the other, to the queue they came from, or to the
// next one where that fails. An answer that breaks off gives the whole messages in it.
//
// A queue that is asked for leases and knows none is read as if popped: its messages have no
// receipt.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_loop.h"
#include "queuereader/source/source.h"

namespace rivulet {

/// Source::Save() of queues, which keep their place themselves: only what kind of source it is.
inline constexpr std::string_view kQueuePlace = "queues";

struct QueueSourceConfig {
  /// http://HOST:PORT[/PREFIX][?PARAMETERS]; `lease` is taken out of it and overrides this lease.
  std::vector<std::string> urls;
  std::string queuename = "default";
  std::uint64_t mget_items = 100;             // 0: one at a time
  Duration lease = std::chrono::seconds(30);  // zero: pops
  Duration long_poll = std::chrono::seconds(20);
  Duration failed_pause = std::chrono::seconds(5);
  std::string auth_token;  // sent as Authorization: Bearer; empty: none
};

/// Checks the URLs; asks nothing yet, so that a reader may be started before its queue. All URLs
/// have the same lease: lease=0 on some of them only is an error.
Result<std::unique_ptr<Source>> OpenQueueSource(EventLoop& loop, const Clock& clock,
                                                QueueSourceConfig config);

}  // namespace rivulet
