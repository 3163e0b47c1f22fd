// Publishes again what another pubsub sends, filtered and with fields taken out or made anonymous:
// what pubsub_filtered of the original does.
//
// It follows its source for ever. Where the source knows positions (bridge/source.h) it goes on
// after the last message it saw: between two connections nothing is missed and nothing repeated as
// long as the source keeps its past; what the source no longer has is logged and counted as a gap.
// Elsewhere what was published between two connections is missed.
//
// A message that was received is, in this order: dropped when it is no JSON object (only when an
// option looks into messages); dropped when --expected-key does not match; changed (see
// transform.h); published. When publishing says kExhausted, kUnavailable or kIoError (a full disk,
// a log that failed) the source is read no further and the message is tried again until it is
// taken; what publishing says of a message alone (kTooLarge, kInvalidArgument) drops it.
//
// With a position file the source is followed from where it was left, also after a restart: at
// least once. It is written about once a second and at Stop(), by a thread of its own, and only
// ever says what is safe: messages that were published, and, with a log, whose commit is complete.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/event_loop.h"
#include "base/metrics.h"
#include "base/options.h"
#include "base/status.h"
#include "bridge/position_file.h"
#include "bridge/source.h"
#include "http/client.h"
#include "pubsub/transform.h"

namespace rivulet {

/// As given.
struct RepublishOptions {
  std::vector<std::string> pubsub_urls;  // empty: nothing is republished
  std::string topic = "default";
  std::string blacklist_fields;
  std::string encrypted_fields;
  std::string hash_key_file;
  std::string expected_key;
  std::string expected_value;
  std::string expected_value_regex;
  std::string auth_token_file;
  std::string offset_file;
};

/// Checked and read.
struct RepublishConfig {
  SourceConfig source;
  TransformConfig transform;
  std::string offset_file;  // empty: positions are not kept
};

/// --pubsub-url, --republish-topic, --blacklist-fields, --encrypted-fields, --hash-key-file,
/// --expected-key, --expected-value, --expected-value-regex, --source-auth-token-file,
/// --source-offset-file, in a section of their own.
void AddRepublishOptions(Options* options, RepublishOptions* republish);
/// What must stand together. No file is looked at. The message names the option.
Status CheckRepublishOptions(const RepublishOptions& republish);
/// Reads the key and the token: once the process runs as the user it was told to. Without an
/// offset file of its own, and when `data_path` is not empty, positions are kept in a file there.
/// `seed` is that of the backoff.
Result<RepublishConfig> MakeRepublishConfig(const RepublishOptions& republish,
                                            std::string_view data_path, std::uint64_t seed);

struct RepublishCounts {
  std::uint64_t received = 0;  // from the source; the sum of all below, and of what waits
  std::uint64_t republished = 0;
  std::uint64_t dropped_not_json = 0;    // no JSON object
  std::uint64_t dropped_unexpected = 0;  // --expected-key
  std::uint64_t dropped_too_long = 0;    // by the source's limit, or the topic's
  std::uint64_t dropped_refused = 0;     // publishing said no, for good
  std::uint64_t changed = 0;             // of the republished: not byte for byte
  std::uint64_t gaps = 0;                // what the source said it no longer had
  std::uint64_t missed = 0;              // messages in those gaps, where their number is known
};

class Republisher final : private PubsubSource::Sink {
 public:
  /// Publishes one message, any bytes; the view is valid during the call.
  using Publish = std::function<Status(std::string_view body)>;

  /// kInvalidArgument: the expected regex; kIoError, kCorrupt: the offset file. `loop` and `clock`
  /// must outlive it.
  static Result<std::unique_ptr<Republisher>> Make(RepublishConfig config, EventLoop& loop,
                                                   const Clock& clock, Publish publish);
  struct Parts;
  /// Of Make().
  Republisher(Parts parts, EventLoop& loop, Publish publish);
  ~Republisher() override;
  Republisher(const Republisher&) = delete;
  Republisher& operator=(const Republisher&) = delete;

  /// With a log: `last_commit` says, right after publishing, which commit the message is in; it is
  /// safe when OnCommitted() is told of it or a later one. Without, it is safe once published.
  void SetLog(std::function<std::uint64_t()> last_commit) { last_commit_ = std::move(last_commit); }
  void OnCommitted(std::uint64_t commit);

  void Start();
  /// Reads no more and blocks until the offset file says what is safe. Messages that wait for a try
  /// are dropped: with an offset file they come again. To be called (again) once the log is closed.
  void Stop();

  const RepublishCounts& counts() const { return counts_; }
  /// Connections to the source, tries too, beyond the first.
  std::uint64_t reconnects() const { return source_.reconnects(); }
  /// A stream is being received.
  bool connected() const { return source_.connected(); }
  /// Publishing was refused; the next try is pending.
  bool waiting() const { return !waiting_.empty(); }
  /// Without its query, which may hold a token.
  std::string source_url() const { return source_.shown_url(); }
  /// The counts and the state as one JSON object: of /stats.
  std::string StatsJson() const;
  /// The same as metrics named rivulet_pubsub_republish_*. `registry` must not outlive this.
  void AddMetrics(MetricRegistry* registry);

 private:
  // A message that was not taken.
  struct Waiting {
    std::string body;
    SourcePosition after;
  };
  // What the offset file may say once that commit is complete.
  struct Uncommitted {
    std::uint64_t commit;
    SourcePosition after;
  };

  // PubsubSource::Sink.
  void OnMessage(std::string_view message, const SourcePosition& after) override;
  void OnTooLong(const SourcePosition& after) override;
  void OnPosition(const SourcePosition& position) override;
  void OnGap(std::optional<std::uint64_t> missed) override;
  bool full() const override { return !waiting_.empty(); }
  void OnSilence() override {}

  /// False when it must be tried again.
  bool Take(std::string_view message);
  bool PublishOne(std::string_view body, bool changed);
  void TryAgain();
  void Passed(const SourcePosition& after);

  Publish publish_;
  std::function<std::uint64_t()> last_commit_;
  std::unique_ptr<Transform> transform_;  // null: messages go as they come
  std::string changed_;                   // its output
  std::unique_ptr<PositionFile> file_;    // null: positions are not kept
  std::deque<Waiting> waiting_;
  std::deque<Uncommitted> uncommitted_;
  std::uint64_t committed_ = 0;
  Client client_;
  JitterBackoff backoff_;  // failures() is zero unless something waits
  Timer retry_;
  RepublishCounts counts_;
  PubsubSource source_;
};

struct Republisher::Parts {
  SourceConfig source;
  std::unique_ptr<Transform> transform;
  std::unique_ptr<PositionFile> file;
};

}  // namespace rivulet
