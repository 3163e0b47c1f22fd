// All of bandit: where its arms come from, the API that draws from them, its figures, and, where it
// learns itself, the reader.
//
// Thread: the loop's.
#pragma once

#include <memory>

#include "bandit/config.h"
#include "http/daemon.h"

namespace rivulet {

class BanditService {
 public:
  /// `daemon` must outlive it.
  BanditService(Daemon& daemon, BanditConfig config);
  ~BanditService();

  /// Daemon::OnBound: opens all. What reads begins when the loop runs.
  Status Open();
  /// An option was wrong, which only Open() could see.
  bool refused() const;
  /// Daemon::OnDraining: the reader begins to stop, so that it has the same time as requests have.
  void OnDraining();
  /// Daemon::OnDrained: the reader finishes what it has in hand and writes its checkpoint; the
  /// loop runs until then, --drain-timeout after OnDraining() at most. Not OK where it could not.
  Status Close();
  /// Not OK where the reader cannot go on. A store that is away is none of that.
  Status health() const;
  /// A task did not come back: the process can only be left by ExitAtOnce().
  bool hung() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rivulet
