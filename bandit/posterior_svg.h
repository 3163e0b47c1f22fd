// A picture of what is thought of the best arms of a bandit: for each the density of its rate, the
// interval that holds 95 % of it, and what was seen.
//
// Self-contained, without scripts or links; light or dark as whoever looks at it prefers. Ids are
// data of others: escaped, and cut.
#pragma once

#include <string>

#include "bandit/picker.h"

namespace rivulet {

inline constexpr std::size_t kPicturedArms = 12;

/// The best by mean, kPicturedArms of them at most; says so where there are none.
std::string PosteriorSvg(const Picker& picker);

}  // namespace rivulet
