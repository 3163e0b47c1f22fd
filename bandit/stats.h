// What bandit tells of itself, beside /ping and the page: /stats (text, or ?format=json), and
// metrics.
//
//   health: ok                     as /ping
//   answers, picks, last_known, fallback, unanswered: of /item (bandit/api.h)
//   arms, round, impressions, clicks, late: of what is known of the arms
//   age_seconds: since the store was asked for them
//   readings, failures: of the store
//   store: redis://127.0.0.1/0     without its password
//   store_status: ok               or "away: WHY", while the last known arms serve
//
// and, where this process learns, what a reader tells (queuereader/report/introspection_report.h):
// in the text behind "reader:", in JSON as "reader" (else null), and its metrics.
//
// Thread: the loop's.
#pragma once

#include <memory>
#include <string>

namespace rivulet {

class ArmsSource;
class BanditApi;
class Daemon;
class ReaderHost;

class BanditStats {
 public:
  /// All must outlive it. `reader`: nullptr: there is none.
  BanditStats(Daemon& daemon, const ArmsSource& arms, const BanditApi& api,
              const std::string& store_url, ReaderHost* reader);
  ~BanditStats();

  /// The route, and the metrics.
  void Install();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
