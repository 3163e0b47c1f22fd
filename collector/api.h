// collector over HTTP: takes events, makes messages of them, and answers when they are safe.
//
//   POST /event   one event or an array of them (collector/event_reader.h): 204, or what became of
//                 them to who accepts JSON
//   GET /event    one event in the query: a picture of one transparent pixel
//   /collector.js the browser's part
//   /stats, and what all daemons have
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "collector/config.h"
#include "collector/event_reader.h"
#include "collector/mapping.h"
#include "collector/marks.h"
#include "collector/outlet.h"
#include "collector/remote_address.h"
#include "http/daemon.h"

namespace rivulet {

/// Since the start. events == messages + dropped + dnt.
struct CollectorCounts {
  std::uint64_t events = 0;             // taken
  std::uint64_t events_refused = 0;     // for what was wrong with them; a body not read counts one
  std::uint64_t bots = 0;               // of those taken
  std::uint64_t duplicates = 0;         // likewise
  std::uint64_t dnt = 0;                // answered, and forgotten: --honour-dnt
  std::uint64_t dropped = 0;            // by the mapping, --drop-bots, --drop-duplicates
  std::uint64_t messages = 0;           // published
  std::uint64_t origins_refused = 0;    // requests, likewise the next two
  std::uint64_t tokens_refused = 0;     // a wrong one, or none with --require-token
  std::uint64_t refused_when_full = 0;  // 503
  std::uint64_t values_shortened = 0;   // of messages: cut, or left out for their length
};

class CollectorApi {
 public:
  /// `daemon` must outlive it. `token` of server-side senders; empty: none is known. `seed` is to
  /// be random.
  CollectorApi(Daemon& daemon, CollectorOptions options, Mapping mapping, std::string token,
               std::uint64_t seed);

  /// Routes and metrics on the daemon.
  void Install();
  /// Opens the outlet. Before the first request is served.
  Status Open(OutletConfig config);
  /// SIGHUP: the dead letters again.
  void Reopen();
  /// The drain began; Close() may wait until `timeout` from now.
  void OnDraining(Duration timeout);
  /// At the end, with no connection left: what is pending is delivered, or kept in the spool.
  /// Serves the loop meanwhile.
  Status Close();

 private:
  void TakeEvents(const Request& request, Reply& reply);
  /// False after an answer that says why not.
  bool Admit(const Request& request, Reply& reply, bool* trusted);
  bool Read(const Request& request, Reply& reply, bool trusted);
  bool OriginAllowed(const Request& request) const;
  void Publish(bool do_not_track, bool trusted);
  void Answer(const Request& request, Reply& reply);
  void AnswerJson(Reply& reply);
  void ServeScript(const Request& request, Reply& reply);
  void Stats(const Request& request, Reply& reply);
  void WriteMetrics(std::string* out) const;
  void OnSafe();

  Daemon& daemon_;
  CollectorOptions options_;
  Mapping mapping_;
  std::string token_;
  RemoteAddress kept_address_;
  BotWords bots_;
  DuplicateFilter duplicates_;
  EventReader reader_;
  std::unique_ptr<Outlet> outlet_;
  CollectorCounts counts_;
  MonoTime close_by_{};
  bool closing_ = false;  // the server is gone

  // Of the request that is served, kept for their memory.
  std::string remote_;
  std::string told_remote_;
  std::string message_;
  std::uint64_t mark_ = 0;  // answered when this is safe
};

}  // namespace rivulet
