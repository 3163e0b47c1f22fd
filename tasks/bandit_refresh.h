// bandit_refresh: the items that visitors are shown, drawn anew after so many impressions: the
// better half stays, by one draw of what is known of each (algorithms/bandit/refresh.h), newcomers
// from a catalogue take the places of the others, and all counters begin again at 1 and 1, or at
// what is known of an item from before (informed priors).
//
// One atomic batch that requires the round that was read: of many readers one refreshes, and
// whoever reads the set sees the old one or the new one.
//
// What it did stands in the history, as
//
//   {"round":2,"at":"2026-11-22T09:30:00Z","kept":[ids],"new":[ids],"dropped":[ids],
//    "impressions":1003,"clicks":52,"rate":0.0518}
//
// with the counts of the round that it ended (impressions exactly: those that are counted while it
// is done are of the round to come), and at most 100 ids a list.
//
// Thread: the task's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/bandit/beta_thompson.h"
#include "algorithms/random.h"
#include "base/clock.h"
#include "base/status.h"
#include "store/store.h"
#include "tasks/bandit_arms.h"
#include "tasks/bandit_catalogue.h"

namespace rivulet {

/// Clicks and impressions that an item begins with, beside 1 and 1.
struct InformedPrior {
  std::int64_t clicks = 0;
  std::int64_t impressions = 0;
};
using InformedPriors = std::map<std::string, InformedPrior, std::less<>>;

/// {"item":"a","clicks":3,"impressions":60} a line, clicks at most impressions. Errors name the
/// line.
Result<InformedPriors> ReadInformedPriors(std::string_view lines);

struct RefreshOptions {
  BanditKeys keys;
  std::size_t arms = 10;
  std::uint64_t after = 1000;  // impressions; 0: the set is filled, and stays
  BetaPrior prior = BetaPrior::kUniform;
  bool keeps_random = false;  // a random half instead: the control of an experiment
  InformedPriors priors;
  /// So long nothing is tried after a failure, from its end on, twice as long after each that
  /// follows, up to `longest_pause`; or where the catalogue had nothing new. 1 s where the store is
  /// away, which has its own rests.
  Duration pause = std::chrono::seconds(10);
  Duration longest_pause = std::chrono::minutes(5);
  /// So often the set is read though nothing of it was counted: it may be gone.
  Duration look = std::chrono::seconds(10);
  const Clock* clock = nullptr;  // for how long things take; nullptr: the system's
};

class BanditRefresh {
 public:
  /// kAsking: the catalogue is asked, and Run() is worth a try when it has answered.
  enum class Did { kNothing, kRefreshed, kElsewhere, kAsking };

  BanditRefresh(RefreshOptions options, BanditCatalogue catalogue, std::uint64_t seed)
      : options_(std::move(options)), catalogue_(std::move(catalogue)), random_(seed) {}

  /// What a batch has seen of the bandit: impressions since the last refresh, fields of the set's
  /// hash. Begins to ask the catalogue where a refresh comes near.
  void Saw(std::int64_t experiments, std::int64_t fields);
  /// Is it worth a Run(): so many impressions, no fields, or nothing counted for a while? Not
  /// within a pause, nor before the catalogue has answered.
  bool IsDue(WallTime now) const;
  /// Nothing is known to be in the set.
  bool IsEmpty() const { return fields_ == 0; }
  /// Reads the bandit, and fills or refreshes the set if that is due. kElsewhere: somebody else was
  /// quicker. After an error the set is as it was, or (kUnknownOutcome) perhaps refreshed.
  /// `patience` as of a batch; nothing: the store's own.
  Result<Did> Run(Store* store, WallTime now, std::optional<Duration> patience = std::nullopt);
  /// Waits for the catalogue that is asked, at most that long.
  void Await(Duration most) const { catalogue_.Await(most); }

  /// What an item of the set begins with, beside 1 and 1.
  InformedPrior PriorOf(std::string_view id) const;
  std::uint64_t refreshes() const { return refreshes_; }
  std::uint64_t catalogue_failures() const { return catalogue_failures_; }

 private:
  /// A set to come, and how it differs from the one that is.
  struct Change {
    std::vector<std::string> kept;
    std::vector<std::string> newcomers;
    std::vector<std::string> dropped;
  };
  Result<Did> Try(Store* store, WallTime now, const std::optional<Duration>& patience);
  Result<BanditArms> ReadAll(Store* store, const std::optional<Duration>& patience) const;
  Result<Change> Choose(const std::vector<BanditArm>& arms);
  /// One for each.
  std::vector<double> DrawsOf(const std::vector<BanditArm>& arms);
  void Write(StoreBatch* batch, const BanditArms& before, const Change& change, WallTime now) const;
  std::string History(const BanditArms& before, const Change& change, WallTime now) const;
  /// So that nothing is tried within it.
  void Pause(WallTime from, Duration length);
  const Clock& clock() const;
  /// For a set that takes the place of one of `held` items: newcomers.
  std::size_t Wanted(std::size_t held) const;

  RefreshOptions options_;
  BanditCatalogue catalogue_;
  Random random_;
  WallTime not_before_{};
  Duration pause_{};  // the one that ends at not_before_
  int failures_ = 0;  // in a row
  std::int64_t experiments_ = 0;
  std::int64_t fields_ = 0;
  bool counted_ = false;  // something of the set, since looked_at_
  WallTime looked_at_{};
  std::optional<std::uint64_t> conflict_round_;
  std::uint64_t refreshes_ = 0;
  std::uint64_t catalogue_failures_ = 0;
};

}  // namespace rivulet
