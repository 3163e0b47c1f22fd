#include "bandit/likely_rates.h"

#include <functional>

namespace rivulet {

std::size_t LikelyRates::Hash::operator()(const Shapes& shapes) const {
  const std::hash<double> hash;
  return hash(shapes.first) * 0x9e3779b97f4a7c15U + hash(shapes.second);
}

const BetaInterval* LikelyRates::Find(const BetaPosterior& posterior) const {
  const auto found = kept_.find({posterior.alpha, posterior.beta});
  return found == kept_.end() ? nullptr : &found->second;
}

BetaInterval LikelyRates::Of(const BetaPosterior& posterior) {
  if (const BetaInterval* known = Find(posterior)) return *known;
  // What is still looked at comes again.
  if (kept_.size() >= kKept) kept_.clear();
  const BetaInterval likely = EqualTails(posterior.alpha, posterior.beta, kMass);
  kept_.emplace(Shapes(posterior.alpha, posterior.beta), likely);
  return likely;
}

}  // namespace rivulet
