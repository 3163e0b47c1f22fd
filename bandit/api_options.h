// What the API draws with, and what it says when there is nothing to draw from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/options.h"
#include "base/status.h"

namespace rivulet {

struct BanditApiOptions {
  std::string policy =
      "thompson";  // thompson, ucb1, epsilon-greedy, lin-ucb, linear-thompson, uniform
  std::string prior = "uniform";  // uniform, counts
  double epsilon = 0.1;
  double alpha = 1;
  std::vector<std::string> fallback;
  Duration stale_after = std::chrono::seconds(1);
  std::uint64_t seed = 0;  // meant when has_seed
  bool has_seed = false;   // set by CheckBanditApiOptions()
  std::uint64_t max_items = 100;
  std::string features;  // "age+visits": names of the context's numbers

  /// Not an option of its own, main() sets it: --refresh=0, an answer waits for a reading that
  /// began after its request.
  bool reads_each_request = false;
};

void AddBanditApiOptions(Options* options, BanditApiOptions* api);
/// After Parse(): checks over several options, and sets has_seed.
Status CheckBanditApiOptions(const Options& options, BanditApiOptions* api);

/// The names of --features, in their order.
std::vector<std::string> ContextNames(const BanditApiOptions& api);
/// d of BanditArm::sums: the features and x_0, or 0 where the policy has no context. What a source
/// of arms is to ask for.
std::size_t ContextSize(const BanditApiOptions& api);

}  // namespace rivulet
