#include "bandit/api_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "tasks/bandit_arms.h"

namespace rivulet {

namespace {

bool HasContext(const BanditApiOptions& api) {
  return api.policy == "lin-ucb" || api.policy == "linear-thompson";
}

Status CheckFeatures(const BanditApiOptions& api) {
  if (HasContext(api) != !api.features.empty()) {
    return HasContext(api)
               ? InvalidArgument(fmt::format(
                     "--policy={}: must come with --features=a+b, the names of the context's "
                     "numbers",
                     api.policy))
               : InvalidArgument(fmt::format("--features={}: must come with --policy=lin-ucb or "
                                             "linear-thompson, not {}",
                                             api.features, api.policy));
  }
  auto names = ContextNames(api);
  std::sort(names.begin(), names.end());
  const bool twice = std::adjacent_find(names.begin(), names.end()) != names.end();
  const bool unnamed = !names.empty() && names.front().empty();
  if (twice || unnamed || names.size() > kMaxBanditFeatures) {
    return InvalidArgument(
        fmt::format("--features={}: must be up to {} different names, joined by +", api.features,
                    kMaxBanditFeatures));
  }
  return Status::Ok();
}

}  // namespace

void AddBanditApiOptions(Options* options, BanditApiOptions* api) {
  options->Section("Picks");
  options->Text("policy", &api->policy, "how an item is chosen")
      .Metavar("NAME")
      .OneOf({"thompson", "ucb1", "epsilon-greedy", "lin-ucb", "linear-thompson", "uniform"});
  options
      ->Text("prior", &api->prior,
             "of Thompson's posteriors: uniform draws Beta(1 + clicks, 1 + misses), counts "
             "Beta(clicks, impressions) of the hash as it is")
      .Metavar("uniform|counts")
      .OneOf({"uniform", "counts"});
  options->Real("epsilon", &api->epsilon, "share of random items of epsilon-greedy")
      .Metavar("X")
      .Range(0, 1);
  options
      ->Real("alpha", &api->alpha,
             "how far lin-ucb goes above what it expects, and linear-thompson around it")
      .Metavar("X")
      .Range(0, 1e6);
  options
      ->Text("features", &api->features,
             "names of the numbers of context=, joined by +, as the task has them; of lin-ucb and "
             "linear-thompson")
      .Metavar("A+B");
  options
      ->Texts("fallback", &api->fallback,
              "item to answer while there are no arms; of several, one at random")
      .Metavar("ID");
  options
      ->Time("stale-after", &api->stale_after,
             "how long the store may not be read until arms are called last-known")
      .Metavar("TIME");
  options->Uint("max-items", &api->max_items, "items one request may ask for")
      .Metavar("N")
      .Range(1, 1000);
  options->Uint("seed", &api->seed, "of the random numbers, for picks that can be repeated")
      .Metavar("N")
      .DefaultText("random");
}

Status CheckBanditApiOptions(const Options& options, BanditApiOptions* api) {
  api->has_seed = options.given("seed");
  if (std::find(api->fallback.begin(), api->fallback.end(), "") != api->fallback.end()) {
    return InvalidArgument("--fallback=: must not be empty");
  }
  return CheckFeatures(*api);
}

std::vector<std::string> ContextNames(const BanditApiOptions& api) {
  std::vector<std::string> names;
  if (api.features.empty()) return names;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = api.features.find('+', begin);
    names.push_back(api.features.substr(begin, end - begin));
    if (end == std::string::npos) return names;
    begin = end + 1;
  }
}

std::size_t ContextSize(const BanditApiOptions& api) {
  return HasContext(api) ? ContextNames(api).size() + 1 : 0;
}

}  // namespace rivulet
