// bandit over HTTP: which item to show now, and what is known of all of them.
//
//   GET /item             draws and answers an id. Nothing is learned from it and nothing written
//   GET /arms             what is known of each arm: as JSON, as a live page for a browser, or
//                         ?format=svg: the posteriors as a picture
//
// Learning is the task's (tasks/bandit.h), and the arms come from an ArmsSource. While the store is
// away the last known arms answer; where there never were any, the fallback; an answer says which
// in X-Arms. See bandit(1) for parameters and fields.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <memory>

#include "bandit/api_options.h"
#include "bandit/arms_source.h"
#include "http/daemon.h"

namespace rivulet {

struct BanditApiStats {
  std::uint64_t answers = 0;     // of /item with at least an item, HEAD not counted
  std::uint64_t picks = 0;       // items in them, those of the fallback not counted
  std::uint64_t last_known = 0;  // answers from arms that could not be read anew
  std::uint64_t fallback = 0;    // answers of the fallback
  std::uint64_t unanswered = 0;  // 503: neither arms nor fallback
};

class BanditApi {
  struct Impl;

 public:
  /// Both must outlive it. `options` has passed CheckBanditApiOptions().
  BanditApi(Daemon& daemon, ArmsSource& source, const BanditApiOptions& options);
  ~BanditApi();

  /// Adds /item, /arms and metrics to the daemon. Starts nothing: ArmsSource::Start() is main()'s.
  void Install();
  BanditApiStats stats() const;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
